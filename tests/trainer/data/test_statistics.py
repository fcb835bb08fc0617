"""`trainer data` finds what was planted in a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer.data.dataset import LABELS, VOTES, Dataset, FaceSet
from trainer.data.fer2013 import toy_dataset
from trainer.data.statistics import blanks, conflicts, describe


@pytest.fixture
def planted() -> Dataset:
    """Training: 10 faces, a copy of the first with its label, one with another label, and a blank.

    PublicTest: four faces of its own, then two that are in Training.
    """
    toy = toy_dataset()
    first = toy["training"].take(slice(0, 10))
    images = np.concatenate([first.images, first.images[:1], first.images[:1], np.full((1, 48, 48), 90, np.uint8)])
    labels = np.concatenate([first.labels, first.labels[:1], (first.labels[:1] + 1) % 7, [0]])
    votes = np.zeros((len(labels), len(VOTES)), np.uint8)
    votes[:5, VOTES.index("happiness")] = 10
    votes[12, VOTES.index("not_a_face")] = 9
    public = toy["public_test"].take(slice(0, 4))
    leaked = first.take(slice(3, 5))
    both = FaceSet(
        np.concatenate([public.images, leaked.images]), np.concatenate([public.labels, (leaked.labels + 1) % 7])
    )
    return Dataset({"training": FaceSet(images, labels, votes), "public_test": both}, "planted")


def test_what_was_planted_is_found(planted: Dataset) -> None:
    found = describe(planted)
    training: dict[str, Any] = found["splits"]["training"]
    assert training["n"] == 13 and sum(training["classes"].values()) == 13
    assert training["duplicates"] == 2
    assert training["blanks"] == 1
    assert training["votes"] == 6 and training["not_a_face"] == 1
    assert found["splits"]["public_test"] | {"classes": None} == {
        "n": 6, "classes": None, "duplicates": 0, "blanks": 0, "votes": 0, "not_a_face": 0,
    }  # fmt: skip
    assert found["shared"] == {"public_test in training": 2}
    assert found["conflicts"] == {"groups": 3, "faces": 3 + 2 + 2}
    assert found["source"] == "planted" and len(found["digest"]) == 64


def test_toy_faces_are_clean() -> None:
    found = describe(toy_dataset())
    assert list(found["splits"]["training"]["classes"]) == list(LABELS)
    assert set(found["shared"].values()) == {0} and found["conflicts"] == {"groups": 0, "faces": 0}
    assert set(found["splits"]) == {"training", "public_test", "private_test"} and len(found["shared"]) == 3


def test_a_faint_picture_is_no_blank() -> None:
    faint = np.tile(np.array([[100, 106], [106, 100]], np.uint8), (24, 24))
    assert blanks(np.stack([faint, np.zeros((48, 48), np.uint8)])).tolist() == [False, True]


def test_same_picture_same_label_is_no_conflict(planted: Dataset) -> None:
    twins = planted["training"].take(np.array([0, 10]))
    assert conflicts(Dataset({"training": twins}, "twins")) == {"groups": 0, "faces": 0}
