"""A row of the comparison before any work; needs no PyTorch, but then its cost is not known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from device.inference.model_card import ModelCard, read_card
from trainer.compare.result import Epochs, ExperimentResult, Status
from trainer.compare.studies import Experiment
from trainer.config import TrainConfig
from trainer.data.dataset import LABELS, SIDE


def untrained_result(row: Experiment) -> ExperimentResult:
    """What is known of a row before any work: names, split, parameters, multiply-accumulates.

    Without PyTorch, the last two are not.
    """
    study = row.config.study
    known = ExperimentResult(
        key=row.key, study=row.study, name=row.name, network=study.network, protocol=study.protocol,
        epochs=Epochs(study.fit.epochs, 0), published=row.published, note=row.note,
    )  # fmt: skip
    if row.model is None:
        parameters, macs = _size(row.config)
        return replace(known, parameters=parameters, macs=macs)
    card = read_card(row.model)
    return replace(
        known, status=Status.NOT_EVALUATED, published=_published(card), network=card.name,
        epochs=Epochs(None, None), parameters=card.parameters, macs=card.macs,
    )  # fmt: skip


@cache
def _size(config: TrainConfig) -> tuple[int | None, int | None]:
    """Parameters and multiply-accumulates of a row's network; a deep one takes a second."""
    try:
        import torch
    except ModuleNotFoundError:
        return None, None
    from trainer.artifacts.checkpoint import build
    from trainer.models import count_macs, count_parameters

    with torch.device("meta"):
        model = build("study", config, len(LABELS), 0)
        return count_parameters(model), count_macs(model, SIDE)


def _published(card: ModelCard) -> str:
    """The accuracy on a file's own card."""
    return "; ".join(f"{100 * m['accuracy']:.2f} % {m['split']}, n = {m['n']:,}" for m in card.metrics[:1])
