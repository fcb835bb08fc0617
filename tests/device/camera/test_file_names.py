"""Files whose names are not UTF-8, on which OpenCV crashes, are read like all others."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest

from tests.support.cameras import error_of, frames_of
from tests.support.clips import number_of, numbered, write_clip

NAMES = (b"gr\xf6\xdfe", b"f\xff\xfe")


def renamed(path: Path, name: bytes) -> Path:
    """The file under a name that is not UTF-8."""
    odd = path.with_name(os.fsdecode(name) + path.suffix)
    try:
        return path.rename(odd)
    except OSError:
        pytest.skip("the file system allows only UTF-8 names")


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_read(tmp_path: Path, name: bytes) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), numbered(7))
    assert number_of(frames_of(renamed(tmp_path / "a.png", name))[0].image) == 7


@pytest.mark.parametrize("fast", [True, False])
def test_a_video_is_played(tmp_path: Path, fast: bool) -> None:
    clip = renamed(write_clip(tmp_path / "a.avi", map(numbered, range(4)), fps=10), NAMES[0])
    frames = frames_of(clip, fast=fast)
    assert number_of(frames[-1].image) == 3


def test_a_folder_of_them_is_played(tmp_path: Path) -> None:
    for n, name in enumerate(NAMES):
        cv2.imwrite(str(tmp_path / "a.png"), numbered(n))
        renamed(tmp_path / "a.png", name)
    assert sorted(number_of(frame.image) for frame in frames_of(tmp_path)) == [0, 1]


@pytest.mark.parametrize("fast", [True, False])
def test_a_damaged_one_is_refused_in_a_sentence(tmp_path: Path, fast: bool) -> None:
    (tmp_path / "a.mp4").write_bytes(b"words" * 99)
    assert "damaged or cut short" in error_of(renamed(tmp_path / "a.mp4", NAMES[0]), fast=fast)
