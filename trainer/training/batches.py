"""What a network is taught with: augmented views of Training, drawn anew, or kept with what the teachers say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trainer.artifacts.run_dir import save_whole
from trainer.config import AugmentConfig, FitConfig
from trainer.data.augment import Augment, mixup
from trainer.errors import RunError
from trainer.training.distributed import ALONE, ProcessGroup
from trainer.training.losses import targets_of

CHUNK = 512  # faces that are drawn, and shown to the teachers, at once


@dataclass(frozen=True)
class Batch:
    """Augmented views with what is known of them; all on the training device."""

    faces: Tensor  # (N, 1, S, S) float in [0, 1]
    targets: Tensor  # (N, K) shares
    votes: Tensor | None = None  # (N, V) votes or shares of them
    trained: Tensor | None = None  # (N, K) shares that the teachers give, softened; None: not asked yet

    def share(self, group: ProcessGroup) -> Batch:
        """What of it this process works on."""
        votes, trained = (None if part is None else group.share(part) for part in (self.votes, self.trained))
        return Batch(group.share(self.faces), group.share(self.targets), votes, trained)


class Views:
    """New views of training faces at every call.

    What decides for the whole batch is drawn on the CPU, so that a GPU is never waited for.

    Args:
        faces: (N, 1, S, S) float in [0, 1]; labels: (N,); votes: (N, V) or None; all on the training device.
        augment: what a face may go through.
        fit: how labels are smoothed and batches mixed.
        classes: number of emotions.
    """

    def __init__(
        self, faces: Tensor, labels: Tensor, votes: Tensor | None, augment: AugmentConfig, fit: FitConfig, classes: int
    ) -> None:
        self.faces, self.labels, self.votes = faces, labels, votes
        self.fit, self.classes = fit, classes
        self.generator, self.dice = torch.Generator(faces.device), torch.Generator()
        self.augment = Augment(augment, self.generator)

    def seed(self, seed: int) -> None:
        """Everything drawn from here on follows from this."""
        self.generator.manual_seed(seed)
        self.dice.manual_seed(seed)

    def order(self) -> Tensor:
        """All faces in a random order, (N,)."""
        return torch.randperm(len(self.labels), generator=self.generator, device=self.labels.device)

    def batch(self, index: Tensor) -> Batch:
        """Views of some faces, mixed with one another where the settings say so."""
        targets = targets_of(self.labels[index], self.classes, self.fit.label_smoothing)
        votes = None if self.votes is None else self.votes[index]
        faces = self.augment(self.faces[index])
        chance = float(torch.rand((), generator=self.dice))
        if self.fit.mixup and chance < self.fit.mixup_share:
            faces, targets, votes = mixup(faces, targets, votes, self.fit.mixup, self.generator, self.dice)
        return Batch(channels_last(faces), targets, votes)


class CachedViews:
    """A number of views of every face, drawn once, each with the teachers' answer; epochs take them in turn.

    So patient distillation costs the teachers' time once and not at every epoch, and the answer is still to the very
    view that the student sees (Beyer et al. 2021, arXiv:2106.05237, ask anew each time). They lie on the training
    device, 2.4 kB a view, pixels rounded to what a camera gives; and in a file, for runs that learn the same.

    Args:
        parts: "faces" uint8 (T, N, 1, S, S), "targets" and "trained" (T, N, K), perhaps "votes" (T, N, V), in half
            precision, on the training device.
        mirrored: the teachers answered the mean for a view and its mirror image, so either may be shown.
        generator: of what is drawn, on that device.
    """

    def __init__(self, parts: dict[str, Tensor], mirrored: bool, generator: torch.Generator) -> None:
        self.parts, self.mirrored, self.generator = parts, mirrored, generator

    def batch(self, turn: int, index: Tensor) -> Batch:
        """The views of some faces whose turn it is."""
        part = {name: values[turn % len(values)][index] for name, values in self.parts.items()}
        faces = part.pop("faces").float() / 255
        if self.mirrored:
            chance = torch.rand(len(faces), generator=self.generator, device=faces.device).view(-1, 1, 1, 1)
            faces = torch.where(chance < 0.5, faces.flip(3), faces)
        return Batch(channels_last(faces), **{name: values.float() for name, values in part.items()})


def draw(
    views: Views, turns: int, ask: Callable[[Tensor], Tensor], on_turn: Callable[[int], None]
) -> dict[str, Tensor]:
    """The parts of `CachedViews`: so many views of each face, and what the teachers say of each.

    Args:
        views: where they come from.
        turns: how many of each face.
        ask: the teachers' softened shares (N, K) for faces (N, 1, S, S).
        on_turn: is told how many turns are done.
    """
    count = len(views.labels)
    parts: dict[str, Tensor] = {}
    for turn in range(turns):
        views.seed(turn)
        order = views.order()
        chunk = min(CHUNK, count)
        for index in torch.cat([order, order[: -count % chunk]]).split(chunk):  # all of one size, which compiles once
            batch = views.batch(index)
            drawn = {"faces": (batch.faces * 255).round().to(torch.uint8), "targets": batch.targets.half()}
            drawn["trained"] = ask(batch.faces).half()
            if batch.votes is not None:
                drawn["votes"] = batch.votes.half()
            for name, values in drawn.items():
                if name not in parts:
                    parts[name] = values.new_empty((turns, count, *values.shape[1:]))
                parts[name][turn, index] = values
        on_turn(turn + 1)
    return parts


def kept_or(
    path: Path, draw_them: Callable[[], dict[str, Tensor]], device: torch.device, group: ProcessGroup = ALONE
) -> dict[str, Tensor]:
    """What lies in a file; where there is none, it is drawn and written there.

    Raises:
        RunError: it cannot be written or read.
    """
    if group.first(path.is_file):
        return _read(path, device)
    parts = draw_them()
    if group.leads:
        save_whole(path, parts, "the file of kept views")
    return parts


def _read(path: Path, device: torch.device) -> dict[str, Tensor]:
    try:
        parts: dict[str, Tensor] = torch.load(path, map_location=device, weights_only=True, mmap=True)
    except Exception as error:  # what unpickling of foreign bytes raises is not bounded
        raise RunError(f"{path}: the kept views cannot be read; delete the file, and they are drawn anew.") from error
    return parts


def channels_last(faces: Tensor) -> Tensor:
    """Faces (N, 1, S, S) with the strides of channels last, whatever theirs were.

    Of a single channel `contiguous` leaves the strides as they are, PyTorch then takes them for channels first, and the
    batch-norm after the stem meets both layouts: on a CPU the student learns up to half as fast.
    """
    height, width = faces.shape[2:]
    assert faces.shape[1] == 1, "with more channels `contiguous` does this"
    return faces.contiguous().as_strided(faces.shape, (height * width, 1, width, 1))
