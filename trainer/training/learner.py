"""One network in training: its weights and their average, its data, one epoch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.artifacts.loading import Network, Teacher
from trainer.config import FitConfig, TrainConfig, fit_of
from trainer.data.dataset import SIDE, VOTES, Dataset, FaceSet, duplicate_mask
from trainer.errors import RunError
from trainer.training.batches import Batch, Views, channels_last
from trainer.training.cached_views import CachedViews, draw_views, load_or_draw, views_key
from trainer.training.distributed import ALONE, ProcessGroup
from trainer.training.init_weights import build_model
from trainer.training.losses import LossInputs, balanced_weights, cross_entropy, softened, targets_of, total_loss
from trainer.training.optim import EMA, make_optimizer, set_lr
from trainer.training.precision import autocast
from trainer.training.progress import CachedViewsProgress

INPUT = InputSpec(size=SIDE)
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Task:
    """What to train, on which data, from which teachers.

    Attributes:
        kind: "teacher", "student" or "study".
        start: the network whose weights the run starts with; None draws them at random.
        name: shown while training; empty takes the kind.
    """

    kind: str
    config: TrainConfig
    dataset: Dataset
    teachers: tuple[Teacher, ...] = ()
    start: Network | None = None
    name: str = ""

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
        self.model = _to_device(group.share_batch_norms(model), self.device)
        self.average = EMA(self.model, self.fit.ema)
        self.optimizer = make_optimizer(self.model, self.fit)
        compiled = torch.compile if task.config.compile else _as_it_is
        self.heads: Callable[[Tensor], tuple[Tensor, Tensor | None]] = compiled(group.wrap(self.model))
        self.teachers = [compiled(_to_device(teacher.model, self.device).eval()) for teacher in task.teachers]
        self.views = _build_views(task, training, self.device)
        self.cached: CachedViews | None = None
        self.public = _tensors(task.dataset["public_test"], self.device)
        labels = self.views.labels
        self.class_weights = balanced_weights(labels, len(training.names)) if self.fit.class_weights else None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in Training; the remaining faces differ from epoch to epoch."""
        return max(1, len(self.views.labels) // self.fit.batch_size)

    def epoch(self, epoch: int, lr_factor: float, on_step: Callable[[int], None]) -> dict[str, float]:
        """Train one epoch.

        The order and all views follow from seed and epoch, so a resumed run repeats them.

        Args:
            epoch: number of epochs before this one.
            lr_factor: by which plateaus have reduced the learning rate.
            on_step: called with the number of faces of each batch.

        Returns:
            loss, train_accuracy and lr.
        """
        seed = self.fit.seed * 1_000_003 + epoch
        torch.manual_seed(seed)
        self.views.seed(seed)
        self.model.train()
        order = self.views.order()
        losses, hits = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for step in range(self.steps_per_epoch):
            index = order[step * self.fit.batch_size : (step + 1) * self.fit.batch_size]
            position = epoch + step / self.steps_per_epoch
            lr = set_lr(self.optimizer, self.fit, position, lr_factor)
            batch = self.views.batch(index) if self.cached is None else self.cached.batch(epoch, index)
            loss, right = self.step(batch.share(self.group))
            losses, hits = losses + loss, hits + right
            on_step(len(index))
        steps = self.steps_per_epoch
        loss, accuracy = self.group.mean(torch.stack([losses, hits]) / steps).tolist()
        return {"loss": loss, "train_accuracy": accuracy, "lr": lr}

    def cache_views(self) -> None:
        """With `kept_views`, get the teacher outputs before the first epoch.

        They come from the file of another run with the same key, or from the teachers.
        """
        config = self.task.config
        if config.distill.kept_views and self.teachers:
            teachers = [teacher.model for teacher in self.task.teachers]
            votes = self.views.votes is not None
            key = views_key(config, self.fit, self.task.dataset.digest, votes, teachers)
            parts = load_or_draw(Path(config.runs) / f"views-{key}.pt", self._draw_views, self.device, self.group)
            self.cached = CachedViews(parts, config.distill.mirror, self.views.generator)

    def _draw_views(self) -> dict[str, Tensor]:
        count = self.task.config.distill.kept_views
        with CachedViewsProgress(count, len(self.views.labels), self.group.leads) as shown:
            return draw_views(self.views, count, self.classify, shown.done)

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Take one optimiser step; returns the loss and the batch accuracy, without gradient."""
        with self.autocast():
            logits, vote_logits = self.heads(batch.faces)
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
        if self.teachers and teacher_shares is None:
            teacher_shares = self.classify(batch.faces)
        inputs = LossInputs(logits, batch.targets, self.class_weights, teacher_shares, vote_logits, batch.votes)
        return total_loss(inputs, self.fit, self.task.config.distill)

    @torch.no_grad()
    def classify(self, faces: Tensor) -> Tensor:
        """The teachers' mean softened shares (N, K) of faces (N, 1, S, S).

        With `mirror`, they are the mean over faces and mirror images.
        """
        distill = self.task.config.distill
        views = [faces, channels_last(faces.flip(3))] if distill.mirror else [faces]
        with self.autocast():
            logits = [teacher(view) for teacher in self.teachers for view in views]
        return softened(logits, distill.temperature)

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


def _build_views(task: Task, training: FaceSet, device: torch.device) -> Views:
    faces, labels = _tensors(training, device)
    votes = None
    if training.votes is not None and _has_votes(task, training):
        votes = torch.from_numpy(training.votes).float().to(device)
    return Views(faces, labels, votes, task.config.augment, task.fit, len(training.names))


def _as_it_is(model: M) -> M:
    return model


def _to_device(model: M, device: torch.device) -> M:
    """The network on the training device, in the memory layout that is fastest there."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _tensors(faces: FaceSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """A split as network inputs (N, 1, 48, 48) and labels (N,), on the training device."""
    tensor = torch.from_numpy(to_input(faces.images, INPUT)).permute(0, 3, 1, 2)
    return channels_last(tensor).to(device), torch.from_numpy(faces.labels).to(device)
