"""`trainer.labels: fer_plus` makes FER+'s votes the labels: seven emotions and contempt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.fer_plus import write_fer_plus
from trainer.data.dataset import LABELS, VOTES, Dataset
from trainer.data.fer2013 import load_dataset
from trainer.data.ferplus import NAMES, labels_kind, majority
from trainer.errors import DataError


def votes(**given: int) -> list[int]:
    return [given.get(name, 0) for name in VOTES]


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"contempt": 10}, "contempt"),
        ({"happiness": 6, "neutral": 4}, "happy"),
        ({"anger": 5, "disgust": 1, "fear": 1, "sadness": 3}, "angry"),  # 5 of 8: single votes do not count
        ({"happiness": 5, "neutral": 5}, None),
        ({"happiness": 4, "neutral": 3, "surprise": 3}, None),  # the most, but not more than half
        ({"unknown": 8, "sadness": 2}, None),
        ({"not_a_face": 10}, None),
        ({"fear": 1}, None),
        ({}, None),
    ],
)
def test_a_face_has_the_label_of_most_of_its_votes(given: dict[str, int], label: str | None) -> None:
    found = int(majority(np.array([votes(**given)], np.uint8))[0])
    assert (NAMES[found] if found >= 0 else None) == label


def test_the_faces_have_eight_labels(tmp_path: Path, faces: Dataset) -> None:
    path = write_fer_plus(tmp_path, faces)
    seven, eight = load_dataset(str(path)), load_dataset(str(path), "fer_plus")
    assert seven["training"].names == LABELS and eight["training"].names == NAMES == (*LABELS, "contempt")
    assert set(eight["training"].labels) == set(range(8))
    same = seven["training"].labels[eight["training"].labels < 7]
    assert (same == eight["training"].labels[eight["training"].labels < 7]).all()
    assert eight["training"].take(slice(0, 3)).names == NAMES
    assert seven.digest != eight.digest  # a run of one is never resumed with, or taught by, the other


def test_without_votes_it_is_a_sentence(tmp_path: Path, csv_text: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text(csv_text)
    with pytest.raises(DataError, match=r"no votes; put fer2013new\.csv of FER"):
        load_dataset(str(path), "fer_plus")


def test_a_model_tells_which_labels_its_data_need() -> None:
    assert labels_kind(LABELS) == "fer2013"
    assert labels_kind(NAMES[::-1]) == "fer_plus"
