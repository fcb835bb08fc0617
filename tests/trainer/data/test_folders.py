"""Image-folder trees as people have them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.data.dataset import LABELS, Dataset
from trainer.data.fer2013 import load_dataset
from trainer.errors import DataError


def test_a_file_name_that_is_not_utf8_is_read(tree: Path, faces: Dataset) -> None:
    file = next((tree / "train/happy").iterdir())
    expected = load_dataset(str(tree))["training"].images
    try:
        file.rename(file.with_name(os.fsdecode(b"gr\xf6\xdfe.png")))
    except OSError:
        pytest.skip("the file system allows only UTF-8 names")
    images = load_dataset(str(tree))["training"].images
    assert sorted(map(bytes, images)) == sorted(map(bytes, expected))


def test_an_empty_or_unreadable_picture_is_reported(tree: Path) -> None:
    file = next((tree / "train/happy").iterdir())
    file.write_bytes(b"")
    with pytest.raises(DataError, match="may be truncated"):
        load_dataset(str(tree))
    file.unlink()
    file.symlink_to("absent.png")
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(str(tree))


@pytest.mark.parametrize(
    "names",
    [
        ("anger", "disgusted", "fearful", "happiness", "sadness", "surprised", "neutral"),
        ("Angry", "DISGUST", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
    ],
)
def test_class_names_of_others(tree: Path, faces: Dataset, names: tuple[str, ...]) -> None:
    for split in ("train", "test"):
        for label, name in zip(LABELS, names, strict=True):
            (tree / split / label).rename(tree / split / name)
    read = load_dataset(str(tree))["training"]
    for code in range(len(LABELS)):
        kept, drawn = (sorted(map(bytes, s.images[s.labels == code])) for s in (read, faces["training"]))
        assert kept == drawn


def test_an_unknown_class_is_reported(tree: Path) -> None:
    (tree / "train/sad").rename(tree / "train/bored")
    with pytest.raises(DataError, match=r"bored: the folder is not one of the emotions"):
        load_dataset(str(tree))


def test_hidden_and_foreign_files_are_skipped_and_counted(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = load_dataset(str(tree)).digest
    assert capsys.readouterr().err == ""
    (tree / "train/.checkpoints").mkdir()
    for name in ("happy/._face.png", "happy/Thumbs.db", ".checkpoints/face.png", ".DS_Store"):
        (tree / "train" / name).write_bytes(b"x")
    assert load_dataset(str(tree)).digest == digest
    assert "4 hidden or foreign files are skipped" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_a_validation_folder_is_public_test(tree: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(tree / "test", tree / name)
    next((tree / "test/happy").iterdir()).unlink()
    read = load_dataset(str(tree))
    assert (len(read["public_test"]), len(read["private_test"])) == (14, 13)
    assert f"{name}/ is read as public_test, test/ as private_test" in capsys.readouterr().err


def test_two_validation_folders_are_reported(tree: Path) -> None:
    shutil.copytree(tree / "test", tree / "val")
    shutil.copytree(tree / "test", tree / "valid")
    with pytest.raises(DataError, match="leave one"):
        load_dataset(str(tree))


def test_pictures_of_another_size_or_in_colour_are_converted_with_a_note(
    tree: Path, faces: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    places = sorted((tree / "train/happy").iterdir())
    small = cv2.imread(str(places[0]), cv2.IMREAD_GRAYSCALE)
    assert small is not None and small.dtype == np.uint8
    large = cv2.cvtColor(np.kron(small, np.ones((2, 2), np.uint8)), cv2.COLOR_GRAY2BGR)  # each pixel four times
    wide = np.hstack([np.zeros((96, 30, 3), np.uint8), large, np.full((96, 30, 3), 255, np.uint8)])
    cv2.imwrite(str(places[0]), wide)
    assert load_dataset(str(tree)).digest == digest_of(tree, places[0], small.astype(np.uint8))
    assert "1 pictures of another size are resized to 48x48" in capsys.readouterr().err


def digest_of(tree: Path, place: Path, face: NDArray[np.uint8]) -> str:
    """The digest of the tree with this face, in grey, at a place."""
    before = place.read_bytes()
    cv2.imwrite(str(place), face)
    digest = load_dataset(str(tree)).digest
    place.write_bytes(before)
    return digest


def test_a_pipe_among_the_pictures_is_skipped(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tree / "train/happy/pipe.png")
    assert len(load_dataset(str(tree))["training"]) == 14
    assert "1 hidden or foreign files are skipped" in capsys.readouterr().err
