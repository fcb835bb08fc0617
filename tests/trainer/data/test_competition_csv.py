"""The competition's train.csv (emotion,pixels) has no column Usage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.fer_plus import write_fer_plus
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import load_dataset, toy_dataset


@pytest.fixture(scope="module")
def faces() -> Dataset:
    """140 training faces, twenty of each emotion."""
    return Dataset({"training": toy_dataset()["training"].take(slice(0, 140))}, "toy")


def write_train_csv(folder: Path, faces: Dataset) -> Path:
    lines = ["emotion,pixels"]
    for image, label in zip(faces["training"].images, faces["training"].labels, strict=True):
        lines.append(f'{label},"{" ".join(map(str, image.ravel()))}"')
    path = folder / "train.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_tenth_of_each_emotion_is_public_test(
    tmp_path: Path, faces: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    read = load_dataset(str(write_train_csv(tmp_path, faces)))
    assert {split: np.bincount(part.labels).tolist() for split, part in read.splits.items()} == {
        "training": [18] * 7,
        "public_test": [2] * 7,
    }
    assert "14 of them, a tenth of each emotion, are PublicTest" in capsys.readouterr().err
    everything = {image.tobytes() for part in read.splits.values() for image in part.images}
    assert everything == {image.tobytes() for image in faces["training"].images}
    assert load_dataset(str(tmp_path / "train.csv")).digest == read.digest  # the same at every call


def test_votes_belong_to_the_same_faces(tmp_path: Path, faces: Dataset) -> None:
    write_fer_plus(tmp_path, faces)
    read = load_dataset(str(write_train_csv(tmp_path, faces)))
    for part in read.splits.values():
        assert part.votes is not None and (part.votes.max(1) == 8).all()
        neutral = part.labels == 6
        assert (part.votes[neutral, 0] == 8).all() and (part.votes[~neutral, 0] == 0).all()
