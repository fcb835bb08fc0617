"""A row of the comparison at work: what is known of it beforehand, how it stands, and its teaching."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from device.inference.model_card import ModelCard, digest, read_card
from trainer.artifacts.checkpoint import build
from trainer.artifacts.loading import Network
from trainer.artifacts.run_dir import CONFIG, RunFolder, new_run
from trainer.artifacts.torchvision_weights import load_imagenet
from trainer.compare.studies import Experiment
from trainer.config import TrainConfig, load_config
from trainer.data.dataset import LABELS, SIDE, Dataset
from trainer.errors import CheckpointError
from trainer.evaluation.history import dynamics
from trainer.models import count_macs, count_parameters
from trainer.models.input_adapter import FormedTrunk
from trainer.training.distributed import ProcessGroup
from trainer.training.learner import Task
from trainer.training.loop import fit

RESULT = "row.json"
TEST = "private_test"  # of any protocol; see trainer.data.splits
SPLITS = {"training": "training", "validation": "public_test", "test": TEST}


@dataclass(frozen=True)
class Workspace:
    """Where a row is worked on.

    Attributes:
        folder: of all rows.
        data: the faces as they are split for this row.
        tested_on: what its test faces are, in words.
        machine: the settings of this machine.
    """

    folder: Path
    data: Dataset
    tested_on: str
    machine: TrainConfig

    def of(self, row: Experiment) -> Path:
        """The row's own folder."""
        return self.folder / row.study / f"{row.name}-{row.config.study.protocol}"

    def faces(self) -> dict[str, int]:
        """How many there are of each split."""
        return {name: len(self.data[split]) for name, split in SPLITS.items()}


def facts(row: Experiment) -> dict[str, Any]:
    """What is known of a row before anything is done: names, split, parameters, multiply-accumulates."""
    study = row.config.study
    known: dict[str, Any] = {"key": row.key, "study": row.study, "name": row.name}
    known |= {"published": row.published, "note": row.note, "state": "not trained", "why": ""}
    known |= {"protocol": study.protocol}
    if row.model is not None:
        card = read_card(row.model)
        size = {"parameters": card.parameters, "macs": card.macs}
        known |= {"state": "not read", "published": _of_card(card)}
        return known | {"network": card.name, "epochs": {"planned": None, "done": None}} | size
    parameters, macs = _size(row.config)
    epochs = {"planned": study.fit.epochs, "done": 0}
    return known | {"network": study.network, "epochs": epochs, "parameters": parameters, "macs": macs}


@cache
def _size(config: TrainConfig) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a row's network; counting those of a deep one takes a second."""
    with torch.device("meta"):
        model = build("study", config, len(LABELS), 0)
        return count_parameters(model), count_macs(model, SIDE)


def _of_card(card: ModelCard) -> str:
    """What a file's own card says of its accuracy."""
    return "; ".join(f"{100 * m['accuracy']:.2f} % {m['split']}, n = {m['n']:,}" for m in card.metrics[:1])


def standing(row: Experiment, bench: Workspace) -> dict[str, Any]:
    """The row as it stands in its folder: trained, with all its figures; taught, not judged; under way; not trained.

    Raises:
        CheckpointError: what lies there was made with other settings or of other faces.
    """
    known, folder = facts(row) | {"faces": bench.faces(), "tested_on": bench.tested_on}, bench.of(row)
    if row.model is None and (folder / CONFIG).is_file():
        _require_same(row, folder, bench.machine)
        done = RunFolder(folder).metrics()
        known["epochs"]["done"] = len(done)
        if done:
            state = "taught" if RunFolder(folder).finished else "under way"
            known |= {"state": state, "dynamics": dynamics(done), "curve": accuracies(done)}
    if (folder / RESULT).is_file():
        kept: dict[str, Any] = json.loads((folder / RESULT).read_text())
        if row.model is not None and kept["model_digest"] != digest(row.model):
            return known
        if kept["data_digest"] != bench.data.digest:
            raise CheckpointError(
                f"{folder}: its figures are of other faces; name another folder with --out, or delete it."
            )
        return kept
    return known


def is_taught(row: Experiment, bench: Workspace) -> bool:
    """Whether nothing is left to teach: its run is finished, or it is a finished file."""
    return row.model is not None or RunFolder(bench.of(row)).finished


def _require_same(row: Experiment, folder: Path, machine: TrainConfig) -> None:
    begun, wanted = load_config(folder / CONFIG), _config(row, machine)
    for part in ("study", "augment", "without_twins", "bf16"):
        if getattr(begun, part) != getattr(wanted, part):
            raise CheckpointError(
                f"{folder}: it was begun with other settings of trainer.{part} (see its {CONFIG});"
                " name another folder with --out, or delete it."
            )


def accuracies(epochs: list[dict[str, Any]]) -> list[float]:
    """On validation, after each epoch."""
    return [entry["accuracy"] for entry in epochs]


def _config(row: Experiment, machine: TrainConfig) -> TrainConfig:
    """The row's settings on this machine."""
    own = {name: getattr(machine, name) for name in ("data", "runs", "accelerator", "threads", "bf16", "compile")}
    return replace(row.config, **own)


def train(row: Experiment, bench: Workspace, minutes: float | None, group: ProcessGroup) -> bool:
    """Teach a row, or go on with it; whether it is finished.

    Args:
        row: which.
        bench: where.
        minutes: stop after the epoch in which they are over; None never.
        group: the processes that teach together.

    Raises:
        RunError, CheckpointError: see `trainer.training.loop.fit`; or the ImageNet weights do not fit.
    """
    folder, config = bench.of(row), _config(row, bench.machine)
    run = RunFolder(
        group.first(lambda: folder if (folder / CONFIG).is_file() else new_run(config, "study", folder).path)
    )
    if not run.finished:
        start = None if run.last.is_file() else _start(config)
        fit(Task("study", config, bench.data, start=start, name=row.key), run, True, minutes, group)
    return bool(group.first(lambda: run.finished))


def _start(config: TrainConfig) -> Network | None:
    """A network with ImageNet's weights, where a file of them is named."""
    if config.study.weights is None:
        return None
    torch.manual_seed(config.study.fit.seed)
    model = build("study", config, len(LABELS), 0)
    trunk: Any = model.trunk.trunk if isinstance(model.trunk, FormedTrunk) else model.trunk
    load_imagenet(Path(config.study.weights), trunk)
    return Network(model, Path(config.study.weights).name)
