"""A row of the comparison: data, network, optimiser, schedule, augmentation and split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainer.augment_config import AugmentConfig
from trainer.config import FitConfig, StudyConfig, TrainConfig


@dataclass(frozen=True)
class Experiment:
    """One line of the comparison.

    Attributes:
        study: the study that it comes from, a key of `STUDIES`.
        name: its name there.
        config: all settings of data, network and training; `study` and `augment` are the parts that
            count.
        published: the study's figure, with its split; empty where we do not have one.
        note: what a reader must know, such as what we decided.
        model: a finished .tflite, which is evaluated as it is and not trained.
    """

    study: str
    name: str
    config: TrainConfig
    published: str = ""
    note: str = ""
    model: Path | None = None

    @property
    def key(self) -> str:
        """`se-resnet/vgg11`: unique over all studies."""
        return f"{self.study}/{self.name}"

    def with_study(self, **changes: Any) -> Experiment:
        """The row with other settings of `trainer.config.StudyConfig`."""
        return replace(self, config=replace(self.config, study=replace(self.config.study, **changes)))

    def with_epochs(self, epochs: int) -> Experiment:
        """The row with another number of epochs, noted in its `note`."""
        fit = self.config.study.fit
        changed = self.with_study(fit=replace(fit, epochs=epochs))
        return changed._noted("epochs", fit.epochs, epochs)

    def with_minutes(self, minutes: float) -> Experiment:
        """The row with only so many minutes of training; its `note` says so."""
        if self.model is not None:
            return self
        changed = self.with_study(fit=replace(self.config.study.fit, max_minutes=minutes))
        return replace(changed, note=f"{self.note}; short schedule".removeprefix("; "))

    def with_protocol(self, protocol: str) -> Experiment:
        """The row with another split, noted in its `note`."""
        changed = self.with_study(protocol=protocol)
        return changed._noted("split", self.config.study.protocol, protocol)

    def _noted(self, what: str, own: object, now: object) -> Experiment:
        if own == now or self.model is not None:
            return self
        return replace(self, note=f"{self.note}; {what} {now} instead of {own}".removeprefix("; "))


def row(
    study: str,
    name: str,
    fit: FitConfig,
    augment: Mapping[str, float],
    *,
    published: str = "",
    note: str = "",
    **form: Any,
) -> Experiment:
    """A row of a study.

    Args:
        study, name: as in `Experiment`.
        fit: the training settings.
        augment: the augmentations used, by their names in `AugmentConfig`; all others are off.
        published, note: as in `Experiment`.
        form: settings of `StudyConfig`; `network` is `name` where it is left out.
    """
    settings: dict[str, Any] = {"network": name, "fit": fit} | form
    config = TrainConfig(study=StudyConfig(**settings), augment=AugmentConfig.only(**augment))
    return Experiment(study, name, config, published, note)
