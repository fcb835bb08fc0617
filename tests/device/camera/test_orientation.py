"""Frames turned and mirrored: on the frame, and by a sensor that can."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.camera.camera import open_camera
from tests.support.cameras import config, frames_of
from tests.support.picamera2_standin import Bench

FLIPS = (None, "horizontal", "vertical")
ANGLES = (0, 90, 180, 270)


def corners(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A picture whose corners differ: 10 20 above, 30 40 below."""
    levels = np.array([[10, 20], [30, 40]], np.uint8).repeat(height // 2, 0).repeat(width // 2, 1)
    return np.repeat(levels[..., np.newaxis], 3, axis=2)


def as_set(image: NDArray[np.uint8], rotate: int, flip: str | None) -> NDArray[np.uint8]:
    """What the settings promise: turned clockwise, then mirrored."""
    turned = np.rot90(image, -rotate // 90)
    axis = {"horizontal": 1, "vertical": 0}
    return turned if flip is None else np.flip(turned, axis[flip])


@pytest.mark.parametrize(("rotate", "flip"), [*itertools.product(ANGLES, FLIPS)])
def test_a_file_is_turned_then_mirrored(tmp_path: Path, rotate: int, flip: str | None) -> None:
    cv2.imwrite(str(tmp_path / "corners.png"), corners())
    image = frames_of(tmp_path / "corners.png", rotate=rotate, flip=flip, picture_s=0.1)[0].image
    assert np.array_equal(image, as_set(corners(), rotate, flip))


@pytest.mark.parametrize(("rotate", "flip"), [(0, None), (180, None), (90, "horizontal"), (270, "vertical")])
def test_a_sensor_mirrors_and_a_quarter_turn_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotate: int, flip: str | None
) -> None:
    bench = Bench(tmp_path, monkeypatch)
    with open_camera(config("picamera2://0", width=64, height=48, rotate=rotate, flip=flip)) as camera:
        image = next(camera).image
    marked = np.zeros((48, 64), bool)
    marked[0, 0] = True  # the stand-in marks the first pixel of its sensor
    assert np.array_equal(image[..., 2] > 0, as_set(marked.astype(np.uint8), rotate, flip) > 0)
    assert bench.closed


def test_grey_frames_are_turned_too(tmp_path: Path) -> None:
    from device.camera.orientation import Orientation

    grey = corners()[..., 0]
    assert np.array_equal(Orientation(False, False, True).apply(grey), np.rot90(grey, -1))
