"""Toy faces written in the forms in which people have FER2013."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from trainer.data.dataset import LABELS, Dataset
from trainer.data.fer2013 import toy_dataset

USAGE = {"training": "Training", "public_test": "PublicTest", "private_test": "PrivateTest"}


@pytest.fixture(scope="session")
def faces() -> Dataset:
    """Fourteen toy faces a split: two of each emotion."""
    return Dataset({name: split.take(slice(0, 14)) for name, split in toy_dataset(seed=3).splits.items()}, "toy")


@pytest.fixture
def csv_text(faces: Dataset) -> str:
    """The faces as fer2013.csv."""
    lines = ["emotion,pixels,Usage"]
    for split, part in faces.splits.items():
        for image, label in zip(part.images, part.labels, strict=True):
            lines.append(f"{label},{' '.join(map(str, image.ravel()))},{USAGE[split]}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def tree(tmp_path: Path, faces: Dataset) -> Path:
    """The training faces in train/<emotion>/, those of PublicTest in test/<emotion>/."""
    for split, folder in (("training", "train"), ("public_test", "test")):
        for n, (image, label) in enumerate(zip(faces[split].images, faces[split].labels, strict=True)):
            place = tmp_path / folder / LABELS[label]
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"face{n:02}.png"), image)
    return tmp_path
