"""A network being taught: its weights and their average, its data on the training device, one epoch at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from device.config.loader import to_dict
from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import build
from trainer.artifacts.loading import Network, Teacher, fingerprint
from trainer.config import FitConfig, TrainConfig, fit_of
from trainer.data.dataset import LABELS, SIDE, VOTES, Dataset, FaceSet, duplicate_mask
from trainer.errors import CheckpointError, RunError
from trainer.models import ExpressionNet
from trainer.training.batches import Batch, CachedViews, Views, channels_last, draw, kept_or
from trainer.training.distributed import ALONE, ProcessGroup
from trainer.training.losses import (
    balanced_weights,
    correlation,
    cross_entropy,
    distillation,
    softened,
    targets_of,
    votes_loss,
)
from trainer.training.optim import EMA, make_optimizer, set_lr
from trainer.training.progress import TurnsProgress

INPUT = InputSpec(size=SIDE)
ASKED = ("temperature", "mirror", "kept_views")  # what of the distillation's settings decides what teachers say
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Task:
    """What is to be taught, on what, by whom."""

    kind: str
    config: TrainConfig
    dataset: Dataset
    teachers: tuple[Teacher, ...] = ()
    start: Network | None = None  # whose weights the run begins with
    name: str = ""  # by which it is known while it is taught; empty: by its kind

    @property
    def fit(self) -> FitConfig:
        """The settings of this very run."""
        return fit_of(self.kind, self.config)

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.kind

    @property
    def judged(self) -> str:
        """What the split is called on which each epoch is judged."""
        return "validation" if self.kind == "study" else "PublicTest"


def pick_device(config: TrainConfig, group: ProcessGroup = ALONE) -> torch.device:
    """The device to train on.

    Raises:
        RunError: cuda was asked for and is not there.
    """
    there = torch.cuda.is_available()
    if config.accelerator == "cuda" and not there:
        raise RunError("trainer.accelerator is cuda, but PyTorch sees no CUDA device; set it to auto or cpu.")
    if there and config.accelerator != "cpu":
        return torch.device("cuda", group.local_rank)
    return torch.device("cpu")


class Learner:
    """A network being taught: its weights, their average, its optimiser, its data."""

    def __init__(self, task: Task, group: ProcessGroup = ALONE) -> None:
        self.task, self.fit = task, task.fit
        self.group = group
        self.device = pick_device(task.config, group)
        if task.config.threads:
            torch.set_num_threads(task.config.threads)
        torch.manual_seed(self.fit.seed)
        training = taught_faces(task)
        with_votes = self.fit.votes_weight > 0 and training.votes is not None
        model = build(task.kind, task.config, len(LABELS), len(VOTES) if with_votes else 0)
        if self.fit.bias_from_frequencies:
            say_frequencies(model, training)
        if task.start is not None:
            begin_with(model, task.start)
        self.model = _placed(group.share_batch_norms(model), self.device)
        self.average = EMA(self.model, self.fit.ema)
        self.teachers: list[Callable[[Tensor], Tensor]] = [
            _placed(teacher.model, self.device).eval() for teacher in task.teachers
        ]
        self.optimizer = make_optimizer(self.model, self.fit)
        self.heads: Callable[[Tensor], tuple[Tensor, Tensor | None]] = group.wrap(self.model)
        if task.config.compile:
            self.heads = torch.compile(self.heads)
            self.teachers = [torch.compile(teacher) for teacher in self.teachers]
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # all batches are of one size
        faces, self.labels = _resident(training, self.device)
        votes = torch.from_numpy(training.votes).float().to(self.device) if with_votes else None
        self.views = Views(faces, self.labels, votes, task.config.augment, self.fit, len(LABELS))
        self.kept: CachedViews | None = None
        self.public = _resident(task.dataset["public_test"], self.device)
        self.class_weights = balanced_weights(self.labels, len(LABELS)) if self.fit.class_weights else None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in Training; what is left over has its turn in another epoch's order."""
        return max(1, len(self.labels) // self.fit.batch_size)

    def epoch(self, epoch: int, lr_factor: float, on_step: Callable[[int], None]) -> dict[str, float]:
        """Teach one epoch; the order and every view follow from seed and epoch, so a resumed run repeats them.

        Args:
            epoch: how many went before.
            lr_factor: what plateaus have made of the learning rate.
            on_step: is told the number of faces of each batch.
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
            batch = self.views.batch(index) if self.kept is None else self.kept.batch(epoch, index)
            loss, right = self.step(batch.share(self.group))
            losses, hits = losses + loss, hits + right
            on_step(len(index))
        steps = self.steps_per_epoch
        loss, accuracy = self.group.mean(torch.stack([losses, hits]) / steps).tolist()
        return {"loss": loss, "train_accuracy": accuracy, "lr": lr}

    def keep_views(self) -> None:
        """Where the settings want it: have the teachers answer views before the first epoch, or take those of another
        run that asked the same teachers in the same way."""
        distil = self.task.config.distill
        if distil.kept_views and self.teachers:
            path = Path(self.task.config.runs) / f"views-{self._what_is_asked()}.pt"
            parts = kept_or(path, self._draw_views, self.device, self.group)
            self.kept = CachedViews(parts, distil.mirror, self.views.generator)

    def _draw_views(self) -> dict[str, Tensor]:
        turns = self.task.config.distill.kept_views
        with TurnsProgress(turns, len(self.labels), self.group.leads) as shown:
            return draw(self.views, turns, self.ask, shown.turn)

    def _what_is_asked(self) -> str:
        """A name for the kept views: two runs with the same one would draw the same and be told the same."""
        task, fit = self.task, self.fit
        asked = to_dict(task.config.augment) | {k: to_dict(task.config.distill)[k] for k in ASKED}
        asked |= {k: to_dict(fit)[k] for k in ("mixup", "mixup_share", "label_smoothing")}
        asked |= {
            "faces": task.dataset.digest,
            "twins": task.config.without_twins,
            "votes": self.views.votes is not None,
        }
        asked |= {"teachers": [fingerprint(teacher.model) for teacher in task.teachers]}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One optimiser step; the loss and the share of views read right, both without gradient."""
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
        """Cross-entropy, beside it the teachers' KL on the very same views, beside it the second head."""
        loss = cross_entropy(logits, batch.targets, self.class_weights)
        if self.teachers:
            distil = self.task.config.distill
            trained = self.ask(batch.faces) if batch.trained is None else batch.trained
            loss = (1 - distil.kl_weight) * loss + distil.kl_weight * distillation(logits, trained, distil.temperature)
            if distil.dist_weight:
                loss = loss + distil.dist_weight * correlation(logits, trained, distil.temperature)
        if vote_logits is not None and batch.votes is not None:
            loss = loss + self.fit.votes_weight * votes_loss(vote_logits, batch.votes)
        return loss

    @torch.no_grad()
    def ask(self, faces: Tensor) -> Tensor:
        """The teachers' mean softened shares (N, K) of the faces, or of faces and their mirror images."""
        distil = self.task.config.distill
        views = [faces, channels_last(faces.flip(3))] if distil.mirror else [faces]
        with self.autocast():
            logits = [teacher(view) for teacher in self.teachers for view in views]
        return softened(logits, distil.temperature)

    def autocast(self) -> torch.autocast:
        """bfloat16 where the settings want it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.task.config.bf16)

    @torch.no_grad()
    def score(self) -> dict[str, float]:
        """Accuracy, the best guess and the best five, and cross-entropy of the averaged weights on PublicTest."""
        faces, labels = self.public
        with self.autocast():
            logits = torch.cat([self.average.module(part).float() for part in faces.split(512)])
        targets = targets_of(labels, len(LABELS), 0.0)
        hits = logits.topk(5).indices == labels.unsqueeze(1)  # (N, 5), the best guess first
        top1, top5 = hits[:, 0].float().mean(), hits.any(1).float().mean()
        return {"accuracy": float(top1), "top5": float(top5), "loss_public": float(cross_entropy(logits, targets))}


def taught_faces(task: Task) -> FaceSet:
    """Training; where the settings say so, less the faces whose exact pixels stand in a test split."""
    training = task.dataset["training"]
    if task.config.without_twins:
        tests = [faces for name, faces in task.dataset.splits.items() if name != "training"]
        for faces in tests:
            training = training.take(~duplicate_mask(training, faces))
    return training


@torch.no_grad()
def say_frequencies(model: ExpressionNet, faces: FaceSet) -> None:
    """Give the head the bias with which it says how frequent each class is, whatever it sees."""
    counts = torch.bincount(torch.from_numpy(faces.labels), minlength=len(LABELS)).clamp_min(1)
    model.head.bias.copy_((counts / counts.sum()).log())


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


def _placed(model: M, device: torch.device) -> M:
    """The network on the training device, laid out as convolutions there like it best."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _resident(faces: FaceSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """All faces of a split as the network's input (N, 1, 48, 48), and their labels (N,), on the training device."""
    tensor = torch.from_numpy(to_input(faces.images, INPUT)).permute(0, 3, 1, 2)
    return channels_last(tensor).to(device), torch.from_numpy(faces.labels).to(device)
