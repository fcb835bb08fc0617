"""What a camera gives is compared with what it was asked for, and told once."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from device.camera.frame import Frame
from device.camera.stream_check import StreamCheck
from device.config.schema import CameraConfig


def frame(index: int, time_s: float, width: int = 640, height: int = 480, pixel_format: str = "YUYV") -> Frame:
    image = np.zeros((height, width, 3), np.uint8)
    return Frame(image, index, time_s, 1e9 + time_s, pixel_format=pixel_format)


def checked(rate: float, seconds: float = 10.0, adjustable: bool = True, **settings: Any) -> StreamCheck:
    """A camera that gives 640x480 YUYV at a steady rate, after so many seconds."""
    check = StreamCheck(CameraConfig(source="v4l2:///dev/video0", **settings), adjustable)
    feed(check, rate, seconds)
    return check


def feed(check: StreamCheck, fps: float, seconds: float, step: int = 1, **size: Any) -> None:
    for n in range(0, int(fps * seconds), step):  # a step above 1: the agent skipped frames
        check.add(frame(n, 100.0 + n / fps, **size))


@pytest.mark.parametrize("step", [1, 3])
def test_a_camera_that_does_as_asked_is_measured_without_a_word(caplog: pytest.LogCaptureFixture, step: int) -> None:
    check = StreamCheck(CameraConfig(source="v4l2:///dev/video0"), True)
    feed(check, 15.0, 10.0, step)
    assert check.mode is not None
    assert (check.mode.width, check.mode.height, check.mode.pixel_format) == (640, 480, "YUYV")
    assert check.mode.fps == pytest.approx(15.0, abs=0.1)
    assert check.warning is None
    assert caplog.records == []


def test_the_rate_is_unknown_before_it_is_measured() -> None:
    mode = checked(15.0, seconds=3.0).mode
    assert mode is not None and mode.fps is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 1920, "height": 1080}, "1920x1080 pixels were asked for, but 640x480 come"),
        ({"pixel_format": "MJPG"}, "MJPG was asked for, but YUYV comes"),
        ({"fps": 30.0}, "30 frames/s were asked for, but 10.0 come"),
        ({"rotate": 90}, "640x480 pixels were asked for, but 480x640 come"),  # a frame that was not turned
    ],
)
def test_a_difference_is_told_once(caplog: pytest.LogCaptureFixture, settings: dict[str, Any], words: str) -> None:
    with caplog.at_level(logging.WARNING):
        check = checked(10.0, **{"fps": 10.0} | settings)
        check.restart()
        feed(check, 10.0, 10.0)
    assert words in str(check.warning)
    assert sum(words in record.message for record in caplog.records) == 1


def test_a_slow_yuyv_camera_is_told_of_mjpg() -> None:
    assert "pixel_format MJPG" in str(checked(5.0, fps=15.0).warning)


def test_a_turned_frame_has_the_size_that_was_asked_for() -> None:
    check = StreamCheck(CameraConfig(source="v4l2:///dev/video0", rotate=270, fps=5.0), True)
    feed(check, 5.0, 9.0, width=480, height=640)
    assert check.warning is None


def test_a_network_camera_gives_what_it_likes() -> None:
    check = checked(5.0, adjustable=False, width=1920, height=1080)
    assert check.warning is None
    assert check.mode is not None and check.mode.fps == pytest.approx(5.0, abs=0.1)


def test_an_address_is_shown_without_its_secrets() -> None:
    check = StreamCheck(CameraConfig(source="http://10.0.0.5/video.cgi?user=a&pwd=hidden"), False)
    check.add(frame(0, 1.0))
    assert check.mode is not None and check.mode.source == "http://10.0.0.5/video.cgi"
