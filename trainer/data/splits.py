"""How a study splits and balances its faces, always into the three splits of `Dataset`.

`public_test` is then the validation split, on which the best epoch is chosen, and `private_test`
the test split. In a copy of FER2013 without PrivateTest, PublicTest is the test split; `tested_on`
names it for the reader.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.config import StudyConfig
from trainer.data.dataset import LABELS, SIDE, Dataset, FaceSet, shared_out
from trainer.data.pictures import PICTURES, read_grey
from trainer.errors import DataError

PROTOCOLS = {
    "original": "trained on Training, chosen on PublicTest, tested on PrivateTest",
    "811": "all faces shuffled, 8:1:1 of each emotion",
    "7178": "trained on nine tenths of Training, chosen on the rest, tested on PublicTest and PrivateTest together",
}
SEED = 0  # of every transformed copy: all rows get the same faces
MAX_TURN_DEG, MAX_ZOOM, MAX_SHIFT = 15.0, 0.1, 0.1  # degrees, share, share of the side


def studied(dataset: Dataset, config: StudyConfig) -> Dataset:
    """The faces of a study: split by its protocol, with balanced training faces.

    Raises:
        DataError: a split is missing, or the folder of more faces cannot be used.
    """
    splits = dict(split_by(dataset, config.protocol).splits)
    if config.balance_to is not None:
        more = read_more(Path(config.balance_with)) if config.balance_with else None
        splits["training"] = balanced(splits["training"], config.balance_to, more)
    return Dataset(splits, dataset.source)


def split_by(dataset: Dataset, protocol: str) -> Dataset:
    """Training, validation (`public_test`) and test (`private_test`) by a key of `PROTOCOLS`.

    Raises:
        DataError: there is no training or no public_test split.
    """
    training, public, private = dataset["training"], dataset["public_test"], dataset.splits.get("private_test")
    tests = [public] if private is None else [public, private]
    if protocol == "811":
        parts = shared_out(together([training, *tests]), (8, 1, 1))
    elif protocol == "7178":
        parts = [*shared_out(training, (9, 1)), together(tests)]
    else:
        parts = [training, public, tests[-1]]
    return Dataset(dict(zip(("training", "public_test", "private_test"), parts, strict=True)), dataset.source)


def tested_on(dataset: Dataset, protocol: str) -> str:
    """The test faces of a protocol, in words."""
    complete = "private_test" in dataset.splits
    if protocol == "811":
        return "a tenth of all faces" if complete else "a tenth of all faces but PrivateTest"
    if protocol == "7178":
        return "PublicTest and PrivateTest" if complete else "PublicTest"
    return "PrivateTest" if complete else "PublicTest, which chose the epoch too"


def together(parts: Iterable[FaceSet]) -> FaceSet:
    """Several sets as one; with votes if all have them."""
    parts = list(parts)
    votes = [part.votes for part in parts if part.votes is not None]
    return FaceSet(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(votes) if len(votes) == len(parts) else None,
    )


def balanced(faces: FaceSet, count: int, more: FaceSet | None = None) -> FaceSet:
    """At least `count` faces of each emotion, but no more than the largest has.

    An emotion with more faces keeps them. One with fewer first takes faces from `more`, then
    transformed copies of its own. FER+ votes are left out.
    """
    generator = np.random.default_rng(SEED)
    count = min(count, int(np.bincount(faces.labels).max()))
    images, labels = [], []
    for label in range(len(LABELS)):
        own = faces.images[faces.labels == label]
        if more is not None and len(own) < count:
            own = np.concatenate([own, generator.permutation(more.images[more.labels == label])])[:count]
        copies = [transformed(own[n], generator) for n in generator.integers(0, len(own), max(0, count - len(own)))]
        images.append(np.concatenate([own, copies]) if copies else own)
        labels.append(np.full(len(images[-1]), label))
    return FaceSet(np.concatenate(images), np.concatenate(labels))


def transformed(face: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """A copy of a face (S, S), slightly rotated, zoomed and shifted, and mirrored at random.

    The border is replicated. This does not use OpenCV, whose releases round differently: a row may
    be trained on one machine and evaluated on another, and both need exactly the same faces.
    """
    side = face.shape[0]
    turn, zoom, right, down = generator.uniform(-1, 1, 4)
    angle, scale = np.deg2rad(MAX_TURN_DEG * turn), 1 / (1 + MAX_ZOOM * zoom)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2 - np.array([down, right]).reshape(2, 1, 1) * MAX_SHIFT * side
    from_x = scale * (np.cos(angle) * x - np.sin(angle) * y) + (side - 1) / 2
    from_y = scale * (np.sin(angle) * x + np.cos(angle) * y) + (side - 1) / 2
    moved = between(face, from_y, from_x)
    return moved[:, ::-1] if generator.random() < 0.5 else moved


def between(face: NDArray[np.uint8], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A face (S, S) sampled between its pixels, bilinear; the border is replicated."""
    last = face.shape[0] - 1
    y, x = y.clip(0, last), x.clip(0, last)
    top, left = (np.minimum(places.astype(int), last - 1) for places in (y, x))
    down, right = y - top, x - left
    above = face[top, left] * (1 - right) + face[top, left + 1] * right
    below = face[top + 1, left] * (1 - right) + face[top + 1, left + 1] * right
    return np.asarray(np.rint(above * (1 - down) + below * down), dtype=np.uint8)


def read_more(folder: Path) -> FaceSet:
    """Faces of another data set, `<emotion>/*.png`, in grey and resized to 48 pixels a side.

    Raises:
        DataError: the folder is missing, an image cannot be read, or there is no face of a known
            emotion.
    """
    import cv2

    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give one with images by emotion, as happy/1.png.")
    images, labels = [], []
    for label, name in enumerate(LABELS):
        for file in sorted(f for f in (folder / name).glob("*") if f.suffix.lower() in PICTURES):
            picture = read_grey(file)
            method = cv2.INTER_AREA if min(picture.shape) > SIDE else cv2.INTER_LINEAR
            images.append(cv2.resize(picture, (SIDE, SIDE), interpolation=method))
            labels.append(label)
    if not images:
        raise DataError(f"{folder}: there is no image in a subfolder named {', '.join(LABELS)}.")
    return FaceSet(np.stack(images).astype(np.uint8), np.array(labels, np.int64))
