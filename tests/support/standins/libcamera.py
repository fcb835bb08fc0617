"""A stand-in for libcamera's Python binding, as far as picamera2 is used with it."""

from __future__ import annotations


class Transform:
    """How the sensor mirrors its frames."""

    def __init__(self, hflip: bool = False, vflip: bool = False) -> None:
        self.hflip = hflip
        self.vflip = vflip
