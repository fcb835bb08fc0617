"""The training loop of every network, resumable after every epoch.

All of Training lies on the training device, and each batch is augmented there. The exponential
average of the weights is what is evaluated, saved and finally exported.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from trainer.artifacts.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainer.artifacts.run_dir import RunFolder
from trainer.config import FitConfig
from trainer.errors import CheckpointError
from trainer.training.distributed import ALONE, ProcessGroup
from trainer.training.learner import Learner, Task
from trainer.training.progress import TrainingProgress


@dataclass
class Progress:
    """The state of a run between epochs, apart from the weights."""

    epoch: int = 0
    best: float = -1.0
    stale: int = 0  # epochs since the best
    lr_factor: float = 1.0  # by which plateaus have reduced the learning rate
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    task: Task, run: RunFolder, resume: bool = False, minutes: float | None = None, group: ProcessGroup = ALONE
) -> Progress:
    """Train until all epochs are done or early stopping ends the run.

    `best.pt` then holds the weights with the highest accuracy on PublicTest.

    Args:
        task: what to train.
        run: where config, metrics and checkpoints are written.
        resume: continue from `last.pt` if it exists.
        minutes: stop after the epoch in which this time is over, to be resumed later; None never
            stops early.
        group: the processes that train together; the first one writes files and shows progress.

    Raises:
        RunError: a checkpoint cannot be written; the old one stays.
        CheckpointError: `last.pt` belongs to another data set or cannot be read.
    """
    learner = Learner(task, group)
    progress = _restore(learner, run) if resume and run.last.is_file() else Progress()
    if progress.epoch and not run.best.is_file() and group.leads:
        _best_from_last(run, progress)
    writer = CheckpointWriter(learner, run, progress)
    faces = learner.steps_per_epoch * task.fit.batch_size
    deadline = time.monotonic() + 60 * (math.inf if minutes is None else minutes)
    learner.load_answers()
    with TrainingProgress(task.title, task.fit.epochs, progress.epoch, faces, task.validation, group.leads) as shown:
        over = group.first(lambda: _over(progress, task.fit))
        while not over:
            began = time.monotonic()
            left_s = _seconds_left(progress, task.fit)
            entry: dict[str, Any] = learner.epoch(progress.epoch, progress.lr_factor, shown.step, left_s)
            seconds = time.monotonic() - began
            images_per_s = round(entry["share"] * faces / seconds, 1)
            entry |= learner.score() | {"seconds": round(seconds, 2), "images_per_s": images_per_s}
            progress.seconds += time.monotonic() - began
            better = _record(progress, task.fit, entry)
            late, over = group.first(lambda: (time.monotonic() >= deadline, _over(progress, task.fit)))
            if group.leads:
                writer.epoch(better, late or over)
            shown.epoch(progress.history[-1], progress.best)
            if late and not over:
                return progress
    if group.leads:
        run.finish(_summary(learner, progress))
    return progress


def _over(progress: Progress, fit: FitConfig) -> bool:
    """Whether all epochs are done, or early stopping or the time limit ends the run."""
    stalled = fit.patience_epochs is not None and progress.stale >= fit.patience_epochs
    late = progress.epoch > 0 and _seconds_left(progress, fit) <= 0
    return progress.epoch >= fit.epochs or stalled or late


def _seconds_left(progress: Progress, fit: FitConfig) -> float:
    return math.inf if fit.max_minutes is None else 60 * fit.max_minutes - progress.seconds


def _record(progress: Progress, fit: FitConfig, entry: dict[str, Any]) -> bool:
    """Record a finished epoch; returns whether it is the best so far."""
    better = bool(entry["accuracy"] > progress.best)
    progress.epoch += 1
    progress.history.append({"epoch": progress.epoch} | entry)
    progress.best = max(progress.best, entry["accuracy"])
    progress.stale = 0 if better else progress.stale + 1
    if fit.schedule == "plateau" and progress.stale and progress.stale % fit.plateau_epochs == 0:
        progress.lr_factor *= fit.plateau_factor
    return better


class CheckpointWriter:
    """Writes best.pt if the epoch is the best, then last.pt, then the metrics.

    It writes after every epoch, but not more often than `checkpoint_s` allows. Until then the best
    weights stay on the training device.
    """

    def __init__(self, learner: Learner, run: RunFolder, progress: Progress) -> None:
        self.learner, self.run, self.progress = learner, run, progress
        self.best: tuple[Checkpoint, dict[str, torch.Tensor]] | None = None
        self.written = time.monotonic()

    def epoch(self, better: bool, now: bool) -> None:
        """Handle the end of an epoch.

        Args:
            better: the epoch is the best so far.
            now: write at once.
        """
        averaged = self.learner.average.module.state_dict()
        if better:
            self.best = _checkpoint(self.learner, self.progress, {}), {k: v.clone() for k, v in averaged.items()}
        if now or time.monotonic() - self.written >= self.learner.task.config.checkpoint_s:
            self._write(averaged)

    def _write(self, averaged: dict[str, torch.Tensor]) -> None:
        if self.best is not None:
            save_checkpoint(self.run.best, *self.best)
        training = {
            "progress": vars(self.progress),
            "model": self.learner.model.state_dict(),
            "average": self.learner.average.state_dict(),
            "optimizer": self.learner.optimizer.state_dict(),
        }
        save_checkpoint(self.run.last, _checkpoint(self.learner, self.progress, training), averaged)
        self.run.write_metrics(self.progress.history)
        self.best, self.written = None, time.monotonic()


def _checkpoint(learner: Learner, progress: Progress, training: dict[str, Any]) -> Checkpoint:
    task = learner.task
    return Checkpoint(
        model=learner.model,
        kind=task.kind,
        labels=task.dataset["training"].names,
        config=task.config,
        epoch=progress.epoch,
        metrics=progress.history[-1],
        data_digest=task.dataset.digest,
        teachers=task.teacher_names,
        training=training,
    )


def _restore(learner: Learner, run: RunFolder) -> Progress:
    checkpoint = load_checkpoint(run.last)
    if checkpoint.data_digest != learner.task.dataset.digest:
        source = learner.task.dataset.source
        raise CheckpointError(
            f"{run.last}: the run was trained on other data than {source}; give its data with --data."
        )
    if "optimizer" in checkpoint.training:
        learner.model.load_state_dict(checkpoint.training["model"])
        learner.average.load_state_dict(checkpoint.training["average"])
        learner.optimizer.load_state_dict(checkpoint.training["optimizer"])
    else:  # a small checkpoint
        learner.model.load_state_dict(checkpoint.model.state_dict())
        learner.average.module.load_state_dict(checkpoint.model.state_dict())
    return Progress(**checkpoint.training["progress"])


def _best_from_last(run: RunFolder, progress: Progress) -> None:
    """Make last.pt the best so far, where only it came from another machine."""
    last = load_checkpoint(run.last)
    save_checkpoint(run.best, replace(last, training={}), last.model.state_dict())
    progress.best, progress.stale = last.metrics["accuracy"], 0


def _summary(learner: Learner, progress: Progress) -> dict[str, Any]:
    return {
        "kind": learner.task.kind,
        "accuracy": progress.best,
        "epochs": progress.epoch,
        "seconds": round(progress.seconds, 1),
        "device": torch.cuda.get_device_name()
        if learner.device.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "teachers": list(learner.task.teacher_names),
    }
