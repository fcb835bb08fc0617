"""Training batches: augmented views of the Training faces, drawn anew at every step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainer.augment_config import AugmentConfig
from trainer.config import FitConfig
from trainer.data.augment import Augment, Random, mixup
from trainer.training.distributed import ProcessGroup
from trainer.training.losses import targets_of


@dataclass(frozen=True)
class Batch:
    """Augmented views with their targets; all on the training device."""

    faces: Tensor  # (N, 1, S, S) float in [0, 1]
    targets: Tensor  # (N, K) shares that sum to one
    votes: Tensor | None = None  # (N, V) votes or shares of them
    teacher_shares: Tensor | None = None  # (N, K) softened; None where no teacher has seen the views yet

    def share(self, group: ProcessGroup) -> Batch:
        """The part of the batch that this process trains on."""
        votes, teachers = (None if part is None else group.share(part) for part in (self.votes, self.teacher_shares))
        return Batch(group.share(self.faces), group.share(self.targets), votes, teachers)


class Views:
    """New views of training faces at every call.

    Args:
        faces: (N, 1, S, S) float in [0, 1], on the training device, like labels and votes.
        labels: (N,).
        votes: (N, V) or None.
        augment: which augmentations are applied.
        fit: how labels are smoothed and batches mixed.
        classes: number of emotions.
        random: source of randomness, on that device.
    """

    def __init__(
        self,
        faces: Tensor,
        labels: Tensor,
        votes: Tensor | None,
        augment: AugmentConfig,
        fit: FitConfig,
        classes: int,
        random: Random,
    ) -> None:
        self.faces, self.labels, self.votes = faces, labels, votes
        self.fit, self.classes = fit, classes
        self.config, self.random, self.augment = augment, random, Augment(augment, random)

    def drawn_from(self, random: Random) -> Views:
        """The same faces and settings with another source of randomness."""
        return Views(self.faces, self.labels, self.votes, self.config, self.fit, self.classes, random)

    def batch(self, index: Tensor) -> Batch:
        """Views of the faces at `index` (N,), mixed with one another where the config says so."""
        targets = targets_of(self.labels[index], self.classes, self.fit.label_smoothing)
        votes = None if self.votes is None else self.votes[index]
        faces = self.augment(self.faces[index])
        chance = self.random.chance()
        if self.fit.mixup and chance < self.fit.mixup_share:
            faces, targets, votes = mixup(faces, targets, votes, self.fit.mixup, self.random)
        return Batch(channels_last(faces), targets, votes)


def channels_last(faces: Tensor) -> Tensor:
    """Faces (N, 1, S, S) with the strides of channels last, whatever their strides were.

    For one channel, `contiguous` leaves the strides as they are. PyTorch then takes them for
    channels first, and the batch-norm after the stem gets both layouts: on a CPU, training then
    takes up to twice as long.
    """
    height, width = faces.shape[2:]
    assert faces.shape[1] == 1, "with more channels `contiguous` does this"
    return faces.contiguous().as_strided(faces.shape, (height * width, 1, width, 1))
