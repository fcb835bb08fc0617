"""The loop that teaches any network of the house: one straight page, resumable after every epoch.

The whole of Training lies on the training device; each batch is augmented there. What is scored, kept and
finally exported is the exponential average of the weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from device.model_card import InputSpec
from device.preprocess import to_input
from trainer.augment import Augment, mixup
from trainer.checkpoint import Checkpoint, build, load_checkpoint, save_checkpoint
from trainer.config import FitConfig, TrainConfig
from trainer.dataset import LABELS, SIDE, VOTES, Dataset, FaceSet
from trainer.errors import CheckpointError, RunError
from trainer.losses import balanced_weights, correlation, cross_entropy, distillation, targets_of, votes_loss
from trainer.models import ExpressionNet
from trainer.networks import Network
from trainer.optim import decayed, make_optimizer, set_lr
from trainer.progress import TrainingProgress
from trainer.runs import RunFolder

INPUT = InputSpec(size=SIDE)
PLATEAU_FACTOR = 0.1


@dataclass(frozen=True)
class Task:
    """What is to be taught, on what, by whom."""

    kind: str
    config: TrainConfig
    dataset: Dataset
    teachers: tuple[Network, ...] = ()
    start: Network | None = None  # whose weights the run begins with

    @property
    def fit(self) -> FitConfig:
        """The settings of this very run."""
        return self.config.teacher.fit if self.kind == "teacher" else self.config.student.fit


@dataclass
class Progress:
    """Where a run stands; all that is remembered between epochs beside the weights."""

    epoch: int = 0
    best: float = -1.0
    stale: int = 0  # epochs since the best
    lr_factor: float = 1.0  # what a plateau has made of the learning rate
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Augmented views with what is known of them; all on the training device."""

    faces: Tensor  # (N, 1, 48, 48) float in [0, 1]
    targets: Tensor  # (N, K) shares
    votes: Tensor | None  # (N, V) votes or shares of them


def pick_device(config: TrainConfig) -> torch.device:
    """The device to train on.

    Raises:
        RunError: cuda was asked for and is not there.
    """
    there = torch.cuda.is_available()
    if config.accelerator == "cuda" and not there:
        raise RunError("trainer.accelerator is cuda, but PyTorch sees no CUDA device; set it to auto or cpu.")
    return torch.device("cuda" if there and config.accelerator != "cpu" else "cpu")


class Learner:
    """A network being taught: its weights, their average, its optimiser, its data."""

    def __init__(self, task: Task) -> None:
        self.task, self.fit = task, task.fit
        self.device = pick_device(task.config)
        if task.config.threads:
            torch.set_num_threads(task.config.threads)
        torch.manual_seed(self.fit.seed)
        training = task.dataset["training"]
        with_votes = self.fit.votes_weight > 0 and training.votes is not None
        model = build(task.kind, task.config, len(LABELS), len(VOTES) if with_votes else 0)
        if task.start is not None:
            begin_with(model, task.start)
        self.model = _placed(model, self.device)
        self.average = AveragedModel(self.model, multi_avg_fn=decayed(self.fit.ema), use_buffers=True)
        self.teachers: list[Callable[[Tensor], Tensor]] = [
            _placed(teacher.model, self.device).eval() for teacher in task.teachers
        ]
        self.optimizer = make_optimizer(self.model, self.fit)
        self.heads: Callable[[Tensor], tuple[Tensor, Tensor | None]] = self.model.heads
        if task.config.compile:
            self.heads = torch.compile(self.model.heads)
            self.teachers = [torch.compile(teacher) for teacher in self.teachers]
        self.faces, self.labels = _resident(training, self.device)
        self.votes = torch.from_numpy(training.votes).float().to(self.device) if with_votes else None
        self.public = _resident(task.dataset["public_test"], self.device)
        self.class_weights = balanced_weights(self.labels, len(LABELS)) if self.fit.class_weights else None
        self.generator = torch.Generator(self.device)
        self.augment = Augment(task.config.augment, self.generator)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in Training; what is left over has its turn in another epoch's order."""
        return max(1, len(self.labels) // self.fit.batch_size)

    def epoch(self, progress: Progress, on_step: Callable[[int], None]) -> dict[str, float]:
        """Teach one epoch; the order and every view follow from seed and epoch, so a resumed run repeats them."""
        seed = self.fit.seed * 1_000_003 + progress.epoch
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        self.model.train()
        order = torch.randperm(len(self.labels), generator=self.generator, device=self.device)
        losses, hits = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for step in range(self.steps_per_epoch):
            index = order[step * self.fit.batch_size : (step + 1) * self.fit.batch_size]
            position = progress.epoch + step / self.steps_per_epoch
            lr = set_lr(self.optimizer, self.fit, position, progress.lr_factor)
            loss, right = self.step(self.batch(index))
            losses, hits = losses + loss, hits + right
            on_step(len(index))
        steps = self.steps_per_epoch
        return {"loss": float(losses) / steps, "train_accuracy": float(hits) / steps, "lr": lr}

    def batch(self, index: Tensor) -> Batch:
        """Augmented views of some training faces, mixed with one another where the settings say so."""
        targets = targets_of(self.labels[index], len(LABELS), self.fit.label_smoothing)
        votes = None if self.votes is None else self.votes[index]
        faces = self.augment(self.faces[index])
        chance = torch.rand((), generator=self.generator, device=self.device)
        if self.fit.mixup and float(chance) < self.fit.mixup_share:
            faces, targets, votes = mixup(faces, targets, votes, self.fit.mixup, self.generator)
        return Batch(faces, targets, votes)

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One optimiser step; the loss and the share of views read right, both without gradient."""
        with self.autocast():
            logits, vote_logits = self.heads(batch.faces.contiguous(memory_format=torch.channels_last))
        loss = self.loss(batch, logits, vote_logits)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.model)
        right = (logits.argmax(1) == batch.targets.argmax(1)).float().mean()
        return loss.detach(), right

    def loss(self, batch: Batch, logits: Tensor, vote_logits: Tensor | None) -> Tensor:
        """Cross-entropy, beside it the teachers' KL on the very same views, beside it the second head."""
        loss = cross_entropy(logits, batch.targets, self.class_weights)
        if self.teachers:
            distil = self.task.config.distill
            with torch.no_grad(), self.autocast():
                taught = [teacher(batch.faces) for teacher in self.teachers]
            loss = (1 - distil.kl_weight) * loss + distil.kl_weight * distillation(logits, taught, distil.temperature)
            if distil.dist_weight:
                loss = loss + distil.dist_weight * correlation(logits, taught, distil.temperature)
        if vote_logits is not None and batch.votes is not None:
            loss = loss + self.fit.votes_weight * votes_loss(vote_logits, batch.votes)
        return loss

    def autocast(self) -> torch.autocast:
        """bfloat16 where the settings want it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.task.config.bf16)

    @torch.no_grad()
    def score(self) -> dict[str, float]:
        """Accuracy and cross-entropy of the averaged weights on PublicTest."""
        self.average.eval()
        faces, labels = self.public
        with self.autocast():
            logits = torch.cat([self.average(part).float() for part in faces.split(512)])
        targets = targets_of(labels, len(LABELS), 0.0)
        accuracy = (logits.argmax(1) == labels).float().mean()
        return {"accuracy": float(accuracy), "loss_public": float(cross_entropy(logits, targets))}


def fit(task: Task, run: RunFolder, resume: bool = False, minutes: float | None = None) -> Progress:
    """Teach until the epochs are over or patience is; `best.pt` then holds the weights that read PublicTest best.

    Args:
        task: what to teach.
        run: where config, metrics and checkpoints go.
        resume: go on from `last.pt` where there is one.
        minutes: stop after the epoch in which they are over, as a run that was cut off; None never stops early.

    Raises:
        RunError: a checkpoint cannot be written; the one before stays.
        CheckpointError: `last.pt` belongs to another data set or cannot be read.
    """
    learner = Learner(task)
    progress = _restore(learner, run) if resume and run.last.is_file() else Progress()
    faces = learner.steps_per_epoch * task.fit.batch_size
    deadline = time.monotonic() + 60 * (math.inf if minutes is None else minutes)
    with TrainingProgress(task.kind, task.fit.epochs, progress.epoch, faces) as shown:
        while progress.epoch < task.fit.epochs and not _stalled(progress, task.fit):
            began = time.monotonic()
            entry: dict[str, Any] = learner.epoch(progress, shown.step)
            seconds = time.monotonic() - began
            entry |= learner.score() | {"seconds": round(seconds, 2), "images_per_s": round(faces / seconds, 1)}
            progress.seconds += time.monotonic() - began
            _keep(learner, run, progress, entry)
            shown.epoch(progress.history[-1], progress.best)
            if time.monotonic() >= deadline and progress.epoch < task.fit.epochs:
                return progress
    run.finish(_summary(learner, progress))
    return progress


def _keep(learner: Learner, run: RunFolder, progress: Progress, entry: dict[str, Any]) -> None:
    """End an epoch: remember it, and write best.pt where it is the best, then last.pt, then the metrics."""
    better = entry["accuracy"] > progress.best
    progress.epoch += 1
    progress.history.append({"epoch": progress.epoch} | entry)
    progress.best = max(progress.best, entry["accuracy"])
    progress.stale = 0 if better else progress.stale + 1
    if learner.fit.schedule == "plateau" and progress.stale and progress.stale % learner.fit.plateau_epochs == 0:
        progress.lr_factor *= PLATEAU_FACTOR
    averaged = learner.average.module.state_dict()
    if better:
        save_checkpoint(run.best, _checkpoint(learner, progress, {}), averaged)
    training = {
        "progress": vars(progress),
        "model": learner.model.state_dict(),
        "average": learner.average.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
    }
    save_checkpoint(run.last, _checkpoint(learner, progress, training), averaged)
    run.keep_metrics(progress.history)


def _checkpoint(learner: Learner, progress: Progress, training: dict[str, Any]) -> Checkpoint:
    task = learner.task
    return Checkpoint(
        model=learner.model,
        kind=task.kind,
        labels=LABELS,
        config=task.config,
        epoch=progress.epoch,
        metrics=progress.history[-1],
        data_digest=task.dataset.digest,
        teachers=tuple(teacher.name for teacher in task.teachers),
        training=training,
    )


def _restore(learner: Learner, run: RunFolder) -> Progress:
    checkpoint = load_checkpoint(run.last)
    if checkpoint.data_digest != learner.task.dataset.digest:
        raise CheckpointError(
            f"{run.last}: the run was taught on other data than {learner.task.dataset.source}; name that with --data."
        )
    learner.model.load_state_dict(checkpoint.training["model"])
    learner.average.load_state_dict(checkpoint.training["average"])
    learner.optimizer.load_state_dict(checkpoint.training["optimizer"])
    return Progress(**checkpoint.training["progress"])


def _stalled(progress: Progress, fit: FitConfig) -> bool:
    return fit.patience_epochs is not None and progress.stale >= fit.patience_epochs


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
        "teachers": [teacher.name for teacher in learner.task.teachers],
    }


def begin_with(model: ExpressionNet, start: Network) -> None:
    """Give a new network the weights of a finished one; a second head that the other lacks stays new.

    Raises:
        CheckpointError: the two are of different architectures.
    """
    weights = {k: v for k, v in start.model.state_dict().items() if not k.startswith("votes.")}
    if start.model.votes is not None and model.votes is not None:
        weights = start.model.state_dict()
    own = {k: v.shape for k, v in model.state_dict().items() if k in weights or not k.startswith("votes.")}
    if own != {k: v.shape for k, v in weights.items()}:
        raise CheckpointError(f"{start.name} has other layers than the network to teach, and cannot be its start.")
    model.load_state_dict(weights, strict=False)


def _placed(model: ExpressionNet, device: torch.device) -> ExpressionNet:
    """The network on the training device, laid out as convolutions there like it best."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _resident(faces: FaceSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """All faces of a split as the network's input (N, 1, 48, 48), and their labels (N,), on the training device."""
    tensor = torch.from_numpy(to_input(faces.images, INPUT)).permute(0, 3, 1, 2)
    return tensor.contiguous().to(device), torch.from_numpy(faces.labels).to(device)
