"""Image-folder trees as people have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer.data.dataset import Dataset
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
    file.mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(str(tree))
