"""Measures how long the stages of the pipeline take on this machine."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import CameraConfig, DeviceConfig
from device.inference import golden
from device.messages import Stage
from device.vision.pipeline import from_config


def measure(config: DeviceConfig) -> dict[str, Stage]:
    """Time the pipeline's stages over `selftest.runs` frames with one face, after a warm-up."""
    pipeline = from_config(config)
    frames = _frames(config.camera)
    for frame in itertools.islice(frames, config.selftest.warmup + config.tracker.confirm_frames):
        pipeline.process(frame)
    pipeline.timings.reset()
    for frame in itertools.islice(frames, config.selftest.runs):
        pipeline.process(frame)
    return pipeline.timings.stages()


def _frames(config: CameraConfig) -> Iterator[Frame]:
    """Endless frames of the camera's size, each with the bundled portrait."""
    image = _framed(golden.picture(), config.width, config.height)
    for index in itertools.count():
        yield Frame(image, index, index / config.fps, time.time(), 0)


def _framed(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Place a square picture, as large as fits, in the middle of a grey frame.

    Returns:
        uint8 (height, width, 3).
    """
    import cv2

    side = min(width, height)
    frame = np.full((height, width, 3), 127, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    frame[top : top + side, left : left + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return frame
