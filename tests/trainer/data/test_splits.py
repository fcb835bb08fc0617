"""How studies split and balance faces: none is lost, none is in two splits, small classes grow."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from trainer.config import StudyConfig
from trainer.data import splits
from trainer.data.dataset import LABELS, Dataset, FaceSet
from trainer.data.splits import PROTOCOLS, balanced, read_more, split_by, studied, transformed
from trainer.errors import DataError


def faces(counts: list[int], seed: int) -> FaceSet:
    """So many random faces of each emotion, no two alike."""
    labels = np.repeat(np.arange(7), counts)
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 48, 48), np.uint8)
    return FaceSet(images, labels, np.ones((len(labels), 10), np.uint8))


@pytest.fixture
def dataset() -> Dataset:
    counts = [40, 10, 40, 80, 60, 50, 70]
    parts = {"training": faces(counts, 0), "public_test": faces([10] * 7, 1), "private_test": faces([10] * 7, 2)}
    return Dataset(parts, "drawn")


def pixels(dataset: Dataset, *splits: str) -> list[bytes]:
    return sorted(image.tobytes() for split in splits for image in dataset[split].images)


EVERY = ("training", "public_test", "private_test")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_face_is_lost_or_in_two_splits(dataset: Dataset, protocol: str) -> None:
    split = split_by(dataset, protocol)
    assert pixels(split, *EVERY) == pixels(dataset, *EVERY)
    assert split.digest == split_by(dataset, protocol).digest


def test_the_original_split_is_the_official_one(dataset: Dataset) -> None:
    assert split_by(dataset, "original").digest == dataset.digest


def test_811_keeps_the_share_of_each_emotion(dataset: Dataset) -> None:
    split = split_by(dataset, "811")
    counts = [np.bincount(split[name].labels) for name in EVERY]
    assert counts[0].tolist() == [48, 24, 48, 80, 64, 56, 72]
    assert counts[1].tolist() == counts[2].tolist() == [6, 3, 6, 10, 8, 7, 9]
    assert split["private_test"].votes is not None


def test_7178_tests_on_both_and_chooses_on_neither(dataset: Dataset) -> None:
    split = split_by(dataset, "7178")
    assert pixels(split, "private_test") == pixels(dataset, "public_test", "private_test")
    assert pixels(split, "training", "public_test") == pixels(dataset, "training")
    assert len(split["public_test"]) == 35


def test_a_missing_split_is_reported(dataset: Dataset) -> None:
    lacking = Dataset({"training": dataset["training"]}, "half")
    with pytest.raises(DataError, match="half: there is no public_test split"):
        split_by(lacking, "811")


def test_without_privatetest_publictest_is_the_test_and_named_so(dataset: Dataset) -> None:
    copy = Dataset({name: dataset[name] for name in ("training", "public_test")}, "half")
    split = {protocol: split_by(copy, protocol) for protocol in PROTOCOLS}
    for protocol in ("original", "7178"):
        assert pixels(split[protocol], "private_test") == pixels(copy, "public_test")
    assert pixels(split["811"], *EVERY) == pixels(copy, "training", "public_test")
    assert splits.tested_on(copy, "original") == "PublicTest, which chose the epoch too"
    assert splits.tested_on(copy, "7178") == "PublicTest"
    assert splits.tested_on(dataset, "original") == "PrivateTest"


def test_balancing_fills_small_classes_from_their_own_faces(dataset: Dataset) -> None:
    training = dataset["training"]
    even = balanced(training, 60)
    assert np.bincount(even.labels).tolist() == [60, 60, 60, 80, 60, 60, 70]
    own = {image.tobytes() for image in training.images}
    kept = np.array([image.tobytes() in own for image in even.images])
    assert [int(kept[even.labels == k].sum()) for k in range(7)] == [40, 10, 40, 80, 60, 50, 70]
    assert np.array_equal(even.images, balanced(training, 60).images)


def test_no_class_becomes_larger_than_the_largest(dataset: Dataset) -> None:
    assert np.bincount(balanced(dataset["training"], 4500).labels).tolist() == [80] * 7


def test_a_copy_is_moved_and_not_cut(dataset: Dataset) -> None:
    face = np.full((48, 48), 200, np.uint8)
    assert np.array_equal(transformed(face, np.random.default_rng(0)), face)  # edges repeat, nothing dark comes in
    random = dataset["training"].images[0]
    assert not np.array_equal(transformed(random, np.random.default_rng(0)), random)


def test_faces_of_another_set_come_before_copies(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "disgust").mkdir()
    for number in range(5):
        picture = np.full((100, 80), 10 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "disgust" / f"{number}.png"), picture)
    more = read_more(tmp_path)
    assert more.images.shape == (5, 48, 48) and set(more.labels) == {LABELS.index("disgust")}
    split = studied(dataset, StudyConfig(balance_to=20, balance_with=str(tmp_path)))
    disgust = split["training"].images[split["training"].labels == 1]
    flat = [int(image[0, 0]) for image in disgust if np.ptp(image) == 0]
    assert len(disgust) == 20 and set(flat) >= {0, 10, 20, 30, 40}


def test_an_unusable_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_more(tmp_path / "absent")
    with pytest.raises(DataError, match="there is no image"):
        read_more(tmp_path)
