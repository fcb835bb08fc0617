"""One row of the comparison: its result so far, and its training."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from device.inference.model_card import digest
from trainer.artifacts.checkpoint import build
from trainer.artifacts.loading import Network
from trainer.artifacts.run_dir import CONFIG, SUMMARY, RunFolder, new_run
from trainer.artifacts.torchvision_weights import load_imagenet
from trainer.compare.result import ExperimentResult, FaceCounts, Status, history_from_json
from trainer.compare.studies import Experiment
from trainer.compare.untrained import untrained_result
from trainer.config import TrainConfig, load_config
from trainer.data.dataset import LABELS, Dataset
from trainer.errors import CheckpointError
from trainer.evaluation.history import dynamics
from trainer.models.input_adapter import FormedTrunk
from trainer.training.distributed import ProcessGroup
from trainer.training.learner import Task
from trainer.training.loop import fit

RESULT, PREDICTIONS = "row.json", "reading.npz"
TEST = "private_test"  # of any protocol; see trainer.data.splits


@dataclass(frozen=True)
class Workspace:
    """Where a row is trained and evaluated.

    Attributes:
        folder: of all rows.
        data: the faces, split for this row.
        tested_on: what its test faces are, in words.
        machine: the settings of this machine.
    """

    folder: Path
    data: Dataset
    tested_on: str
    machine: TrainConfig

    def folder_of(self, row: Experiment) -> Path:
        """The row's own folder."""
        study = row.config.study
        short = "" if study.fit.max_minutes is None else "-short"
        return self.folder / row.study / f"{row.name}-{study.protocol}{short}"

    def faces(self) -> FaceCounts:
        """The number of faces of each split."""
        return FaceCounts(*(len(self.data[split]) for split in ("training", "public_test", TEST)))


def current_result(row: Experiment, workspace: Workspace) -> ExperimentResult:
    """The row as its folder has it: not trained, in progress, trained, or evaluated.

    Raises:
        CheckpointError: the folder was made with other settings, or on other faces.
    """
    folder = workspace.folder_of(row)
    known = replace(untrained_result(row), faces=workspace.faces(), tested_on=workspace.tested_on)
    if row.model is None and (folder / CONFIG).is_file():
        _require_same(row, folder, workspace.machine)
        known = _with_epochs(known, RunFolder(folder))
    if not (folder / RESULT).is_file():
        return known
    kept = ExperimentResult.from_json(json.loads((folder / RESULT).read_text()))
    if row.model is not None and kept.model_digest != digest(row.model):
        return known
    if kept.data_digest != workspace.data.digest:
        raise CheckpointError(
            f"{folder}: its figures are of other faces; name another folder with --out, or delete it."
        )
    return kept


def _with_epochs(known: ExperimentResult, run: RunFolder) -> ExperimentResult:
    """The result with the epochs that its run has finished."""
    done = run.metrics()
    if not done:
        return known
    return replace(
        known,
        status=Status.TRAINED if run.finished else Status.IN_PROGRESS,
        epochs=replace(known.epochs, done=epochs_of(done)),
        history=history_from_json(dynamics(done)),
        curve=accuracies(done),
    )


def has_more_minutes(row: Experiment, workspace: Workspace) -> bool:
    """Whether a finished short row now has more minutes than it was trained with."""
    folder, minutes = workspace.folder_of(row), row.config.study.fit.max_minutes
    if minutes is None or not RunFolder(folder).finished:
        return False
    return minutes > (load_config(folder / CONFIG).study.fit.max_minutes or minutes)


def _take_up(row: Experiment, workspace: Workspace) -> None:
    """Give a row that was begun the minutes of this call; a finished one that has more goes on."""
    folder, minutes = workspace.folder_of(row), row.config.study.fit.max_minutes
    more, run = has_more_minutes(row, workspace), RunFolder(folder)
    if minutes is not None and (more or not run.finished):
        run.write_config(_with_minutes(load_config(folder / CONFIG), minutes))
    if more:
        for outdated in (SUMMARY, RESULT, PREDICTIONS):
            (folder / outdated).unlink(missing_ok=True)


def is_trained(row: Experiment, workspace: Workspace) -> bool:
    """Whether the training is finished; a finished file needs none."""
    return row.model is not None or RunFolder(workspace.folder_of(row)).finished


def _require_same(row: Experiment, folder: Path, machine: TrainConfig) -> None:
    begun, own = load_config(folder / CONFIG), _config(row, machine)
    begun = _with_minutes(begun, own.study.fit.max_minutes)  # more of them continue a short row
    for part in ("study", "augment", "without_twins", "bf16"):
        if getattr(begun, part) != getattr(own, part):
            raise CheckpointError(
                f"{folder}: it was started with other settings of trainer.{part} (see its {CONFIG});"
                " name another folder with --out, or delete it."
            )


def _with_minutes(config: TrainConfig, minutes: float | None) -> TrainConfig:
    return replace(config, study=replace(config.study, fit=replace(config.study.fit, max_minutes=minutes)))


def epochs_of(epochs: list[dict[str, Any]]) -> float:
    """Number of epochs in metrics.jsonl; a short schedule may stop within one."""
    return round(float(sum(entry.get("share", 1) for entry in epochs)), 1)


def accuracies(epochs: list[dict[str, Any]]) -> tuple[float, ...]:
    """Validation accuracy after each epoch."""
    return tuple(entry["accuracy"] for entry in epochs)


def _config(row: Experiment, machine: TrainConfig) -> TrainConfig:
    """The row's settings on this machine."""
    own = {name: getattr(machine, name) for name in ("data", "runs", "accelerator", "threads", "bf16", "compile")}
    return replace(row.config, **own)


def train(row: Experiment, workspace: Workspace, minutes: float | None, group: ProcessGroup) -> bool:
    """Train a row, or resume its training; whether it is finished.

    Args:
        row: the row.
        workspace: where.
        minutes: stop after the epoch in which they end; None never.
        group: the processes that train it together.

    Raises:
        RunError, CheckpointError: see `trainer.training.loop.fit`; or the ImageNet weights do not
            fit.
    """
    folder, config = workspace.folder_of(row), _config(row, workspace.machine)

    def prepare() -> Path:
        if not (folder / CONFIG).is_file():
            return new_run(config, "study", folder).path
        _require_same(row, folder, workspace.machine)
        _take_up(row, workspace)
        return folder

    run = RunFolder(group.first(prepare))
    if not run.finished:
        start = None if run.last.is_file() else _start(config)
        fit(Task("study", config, workspace.data, start=start, name=row.key), run, True, minutes, group)
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
