"""Turns and mirrors frames: the settings `device.camera.rotate` and `device.camera.flip`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import RawFrame
from device.config.schema import CameraConfig


class Orientation(NamedTuple):
    """Mirror images first, which many sensors can make themselves, then a quarter turn."""

    horizontal: bool  # left and right change places
    vertical: bool  # top and bottom change places
    quarter: bool  # then by 90° clockwise

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame (H, W, ...) as it is to be seen: (W, H, ...) after a quarter turn."""
        import cv2

        if self.horizontal or self.vertical:
            code = -1 if self.horizontal and self.vertical else 1 if self.horizontal else 0
            image = np.asarray(cv2.flip(image, code), dtype=np.uint8)
        return np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8) if self.quarter else image


def orientation_of(config: CameraConfig) -> Orientation:
    """The steps that turn a frame by `rotate` and then mirror it as `flip` says."""
    half, quarter = config.rotate in (180, 270), config.rotate in (90, 270)
    # After a quarter turn, left and right are what were bottom and top before it.
    across, along = ("vertical", "horizontal") if quarter else ("horizontal", "vertical")
    return Orientation(half != (config.flip == across), half != (config.flip == along), quarter)


def oriented(frames: Generator[RawFrame, None, None], steps: Orientation) -> Generator[RawFrame, None, None]:
    """The same frames, each turned and mirrored."""
    with closing(frames):
        for frame in frames:
            yield frame._replace(image=steps.apply(frame.image))
