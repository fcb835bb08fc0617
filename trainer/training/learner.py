"""One network in training: its weights and their average, its data, one epoch at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.artifacts.answers_file import Answers, AnswersWriter, read_answers
from trainer.artifacts.loading import Network, Teacher
from trainer.config import FitConfig, TrainConfig, fit_of
from trainer.data.augment import Random
from trainer.data.dataset import SIDE, VOTES, Dataset, FaceSet, duplicate_mask
from trainer.data.degrade import degrade
from trainer.errors import RunError
from trainer.training.answered_views import (
    AnsweredViews,
    SeededViews,
    collect_answers,
    folder_for,
    header_for,
)
from trainer.training.batches import Batch, Views, channels_last
from trainer.training.distributed import ALONE, ProcessGroup
from trainer.training.init_weights import build_model
from trainer.training.losses import LossInputs, balanced_weights, cross_entropy, targets_of, total_loss
from trainer.training.optim import EMA, make_optimizer, set_lr
from trainer.training.precision import autocast
from trainer.training.teachers import Teachers, to_device

INPUT = InputSpec(size=SIDE)


@dataclass(frozen=True)
class Task:
    """What to train, on which data, from which teachers.

    Attributes:
        kind: "teacher", "student" or "study".
        start: the network whose weights the run starts with; None draws them at random.
        name: shown while training; empty takes the kind.
        answers: what teachers said of seeded views, instead of teachers.
    """

    kind: str
    config: TrainConfig
    dataset: Dataset
    teachers: tuple[Teacher, ...] = ()
    start: Network | None = None
    name: str = ""
    answers: Answers | None = None

    @property
    def teacher_names(self) -> tuple[str, ...]:
        """The names of the teachers, also of those that are known by their answers only."""
        known = self.answers.header.teachers.values() if self.answers else ()
        return (*(teacher.name for teacher in self.teachers), *known)

    @property
    def fit(self) -> FitConfig:
        """The training settings of this network."""
        return fit_of(self.kind, self.config)

    @property
    def title(self) -> str:
        """The name to show."""
        return self.name or self.kind

    @property
    def validation(self) -> str:
        """The name of the split on which each epoch is evaluated."""
        return "validation" if self.kind == "study" else "PublicTest"


def pick_device(config: TrainConfig, group: ProcessGroup = ALONE) -> torch.device:
    """The device to train on.

    Raises:
        RunError: the config asks for cuda or mps, and there is none.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    wanted = config.accelerator
    if wanted == "auto":
        wanted = "cuda" if there["cuda"] else "cpu"
    if not there[wanted]:
        raise RunError(
            f"trainer.accelerator is {wanted}, but PyTorch sees no {wanted.upper()} device; set it to auto or cpu."
        )
    return torch.device("cuda", group.local_rank) if wanted == "cuda" else torch.device(wanted)


def training_faces(task: Task) -> FaceSet:
    """Training; with `without_twins`, less the faces whose exact pixels are in a test split."""
    training = task.dataset["training"]
    if task.config.without_twins:
        for name, faces in task.dataset.splits.items():
            if name != "training":
                training = training.take(~duplicate_mask(training, faces))
    return training


class Learner:
    """A network in training: its weights, their average, its optimiser, its data."""

    def __init__(self, task: Task, group: ProcessGroup = ALONE) -> None:
        self.task, self.fit, self.group = task, task.fit, group
        self.device = _prepare_device(task.config, group)
        torch.manual_seed(self.fit.seed)
        training = training_faces(task)
        votes = len(VOTES) if _has_votes(task, training) else 0
        model = build_model(task.kind, task.config, training, votes, task.start)
        self.model = to_device(group.share_batch_norms(model), self.device)
        self.average = EMA(self.model, self.fit.ema)
        self.optimizer = make_optimizer(self.model, self.fit)
        heads = group.wrap(self.model)
        self.heads: Callable[[Tensor], tuple[Tensor, Tensor | None]] = (
            torch.compile(heads) if task.config.compile else heads
        )
        self.teachers = Teachers(task.teachers, task.config, self.device) if task.teachers else None
        self.random = Random(self.device)
        self.views = build_views(task, training, self.random)
        self.answered: AnsweredViews | None = None
        self.public = _tensors(task.dataset["public_test"], self.device)
        labels = self.views.labels
        self.class_weights = balanced_weights(labels, len(training.names)) if self.fit.class_weights else None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in Training; the remaining faces differ from epoch to epoch."""
        return max(1, len(self.views.labels) // self.fit.batch_size)

    def epoch(
        self, epoch: int, lr_factor: float, on_step: Callable[[int], None], seconds: float = math.inf
    ) -> dict[str, float]:
        """Train one epoch.

        The order and all views follow from seed and epoch, so a resumed run repeats them.

        Args:
            epoch: number of epochs before this one.
            lr_factor: by which plateaus have reduced the learning rate.
            on_step: called with the number of faces of each batch.
            seconds: stop after the step in which they end, within the epoch.

        Returns:
            loss, train_accuracy, lr, and the share of the epoch that was trained (1 for all of it).
        """
        seed = self.fit.seed * 1_000_003 + epoch
        torch.manual_seed(seed)
        self.random.seed(seed)
        if self.answered is not None:
            self.answered.begin(epoch)
        source = self.views if self.answered is None else self.answered
        self.model.train()
        order = self.random.order(len(self.views.labels))
        losses, hits = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        deadline = time.monotonic() + seconds
        for step in range(self.steps_per_epoch):
            index = order[step * self.fit.batch_size : (step + 1) * self.fit.batch_size]
            position = epoch + step / self.steps_per_epoch
            lr = set_lr(self.optimizer, self.fit, position, lr_factor)
            loss, right = self.step(source.batch(index))
            losses, hits = losses + loss, hits + right
            on_step(len(index))
            if seconds < math.inf and self.group.first(lambda: time.monotonic() >= deadline):
                break
        loss, accuracy = self.group.mean(torch.stack([losses, hits]) / (step + 1)).tolist()
        return {"loss": loss, "train_accuracy": accuracy, "lr": lr, "share": (step + 1) / self.steps_per_epoch}

    def load_answers(self) -> None:
        """Get the answers that the run learns from, if it does, before the first epoch.

        With `kept_views` the teachers give them now, unless another run with the same views did.

        Raises:
            RunError: the answers cannot be written.
        """
        task, distill = self.task, self.task.config.distill
        answers = task.answers
        if answers is None and distill.kept_views and self.teachers is not None:
            answers = self._collect(self.teachers, distill.kept_views)
        if answers is not None:
            self.answered = AnsweredViews(self.views, answers, distill.mirror, distill.temperature, self.random)

    def _collect(self, teachers: Teachers, count: int) -> Answers:
        task = self.task
        header = header_for(training_faces(task), task.config, self.fit, task.teachers)
        writer = AnswersWriter(folder_for(header, Path(task.config.runs)), header)
        collect_answers(SeededViews(self.views, 0), teachers.classify, writer, count, group=self.group)
        answers = read_answers([writer.folder])
        return replace(answers, views={number: answers.views[number] for number in range(count)})

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Take one optimiser step; returns the loss and the batch accuracy, without gradient.

        Args:
            batch: of all processes, who draw the same at random; each trains on its part.
        """
        seen = batch.faces
        if self.task.kind == "student":
            seen = channels_last(degrade(seen, self.task.config.distill.degrade, self.random))
        batch, faces = batch.share(self.group), self.group.share(seen)
        with self.autocast():
            logits, vote_logits = self.heads(faces)
        loss = self.loss(batch, logits, vote_logits)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.average.update()
        right = (logits.argmax(1) == batch.targets.argmax(1)).float().mean()
        return loss.detach(), right

    def loss(self, batch: Batch, logits: Tensor, vote_logits: Tensor | None) -> Tensor:
        """The sum of the loss terms; see `trainer.training.losses`."""
        teacher_shares = batch.teacher_shares
        if self.teachers is not None and teacher_shares is None:
            teacher_shares = self.teachers.classify(batch.faces)
        inputs = LossInputs(logits, batch.targets, self.class_weights, teacher_shares, vote_logits, batch.votes)
        return total_loss(inputs, self.fit, self.task.config.distill)

    def autocast(self) -> torch.autocast:
        """bfloat16 where the settings ask for it."""
        return autocast(self.device, self.task.config.bf16)

    @torch.no_grad()
    def score(self) -> dict[str, float]:
        """Evaluate the averaged weights on PublicTest.

        Returns:
            accuracy, top5 and loss_public (cross-entropy).
        """
        faces, labels = self.public
        with self.autocast():
            logits = torch.cat([self.average.module(part).float() for part in faces.split(512)])
        targets = targets_of(labels, logits.shape[1], 0.0)
        hits = logits.topk(5).indices == labels.unsqueeze(1)  # (N, 5), the best first
        top1, top5 = hits[:, 0].float().mean(), hits.any(1).float().mean()
        return {"accuracy": float(top1), "top5": float(top5), "loss_public": float(cross_entropy(logits, targets))}


def _prepare_device(config: TrainConfig, group: ProcessGroup) -> torch.device:
    device = pick_device(config, group)
    if config.threads:
        torch.set_num_threads(config.threads)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all batches have one size
    return device


def _has_votes(task: Task, training: FaceSet) -> bool:
    return task.fit.votes_weight > 0 and training.votes is not None


def build_views(task: Task, training: FaceSet, random: Random) -> Views:
    """Views of these training faces as the task's settings draw them, on the device of `random`."""
    faces, labels = _tensors(training, random.device)
    votes = None
    if training.votes is not None and _has_votes(task, training):
        votes = torch.from_numpy(training.votes).float().to(random.device)
    return Views(faces, labels, votes, task.config.augment, task.fit, len(training.names), random)


def _tensors(faces: FaceSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """A split as network inputs (N, 1, 48, 48) and labels (N,), on the training device."""
    tensor = torch.from_numpy(to_input(faces.images, INPUT)).permute(0, 3, 1, 2)
    return channels_last(tensor).to(device), torch.from_numpy(faces.labels).to(device)
