"""Faces and their labels in memory, by split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SPLITS = ("training", "public_test", "private_test")
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "not_a_face")
SIDE = 48


@dataclass(frozen=True)
class FaceSet:
    """One split.

    Attributes:
        images: uint8 (N, 48, 48), grey.
        labels: int64 (N,), index into `names`.
        votes: uint8 (N, 10), FER+ annotators' votes in the order of `VOTES`, or None.
        names: of the K labels.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    votes: NDArray[np.uint8] | None = None
    names: tuple[str, ...] = LABELS

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> FaceSet:
        """The faces that a mask, an index array or a slice selects."""
        votes = None if self.votes is None else self.votes[index]
        return FaceSet(self.images[index], self.labels[index], votes, self.names)


@dataclass(frozen=True)
class Dataset:
    """The splits of a source; `digest` is the sha256 of all pixels and labels, in order."""

    splits: dict[str, FaceSet]
    source: str

    def __getitem__(self, split: str) -> FaceSet:
        if split not in self.splits:
            raise DataError(f"{self.source}: there is no {split} split here; it holds {', '.join(self.splits)}.")
        return self.splits[split]

    @cached_property
    def digest(self) -> str:
        """sha256 over every split's name, pixels and labels, hexadecimal."""
        state = hashlib.sha256()
        for name, faces in self.splits.items():
            for part in (name.encode(), faces.images.tobytes(), faces.labels.tobytes()):
                state.update(part)
        return state.hexdigest()


def duplicate_mask(faces: FaceSet, others: FaceSet) -> NDArray[np.bool_]:
    """Which of `faces` are, pixel for pixel, among `others`: bool (len(faces),)."""
    seen = {image.tobytes() for image in others.images}
    return np.fromiter((image.tobytes() in seen for image in faces.images), bool, len(faces))


def fixed_sample(size: int, count: int | None) -> NDArray[np.int64]:
    """A random sample of the indices 0 to `size` - 1, the same at every call, in ascending order.

    Args:
        size: number of items to draw from.
        count: number of items to draw, at most `size`; None takes all.
    """
    return np.sort(np.random.default_rng(0).permutation(size)[:count])


def shared_out(faces: FaceSet, shares: tuple[int, ...]) -> list[FaceSet]:
    """Random parts of relative sizes, stratified by label; the same at every call."""
    generator = np.random.default_rng(0)
    ends = np.cumsum(shares)[:-1] / sum(shares)
    chosen: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label in range(len(faces.names)):
        order = generator.permutation(np.flatnonzero(faces.labels == label))
        for part, indices in zip(chosen, np.split(order, np.rint(ends * len(order)).astype(int)), strict=True):
            part.append(indices)
    return [faces.take(np.sort(np.concatenate(part))) for part in chosen]
