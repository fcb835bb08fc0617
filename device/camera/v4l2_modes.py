"""Asks a V4L2 driver what its camera is and can give (linux/videodev2.h)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from device.camera.source import Mode
from device.config.schema import CameraConfig

QUERYCAP = (0x80685600, struct.Struct("=16s32s32s3I12x"))  # ioctl number, and the structure it fills
ENUM_FMT = (0xC0405602, struct.Struct("=3I32s4sI12x"))
ENUM_FRAMESIZES = (0xC02C564A, struct.Struct("=I4sI6I8x"))
ENUM_FRAMEINTERVALS = (0xC034564B, struct.Struct("=I4s2II6I8x"))
VIDEO_CAPTURE = 1  # a capability, and the type of a buffer
HAS_DEVICE = 0x80000000  # the capabilities of this device follow those of the whole hardware
DISCRETE = 1  # a size or an interval; else a range, whose first is the smallest
MAX_MODES = 256  # a broken driver may never end its list
USB2_BYTES_S = 20e6  # what cameras get through USB 2 uncompressed
ENOUGH = 0.99  # of the asked rate, which drivers round


class Description(NamedTuple):
    """What a driver says of its device."""

    driver: str
    name: str
    captures: bool  # it is a camera, or something else that gives frames


class Driver:
    """The driver behind an open device."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def describe(self) -> Description | None:
        """What the device is; None if it is not one of V4L2."""
        answer = self._ask(QUERYCAP, b"", b"", b"", 0, 0, 0)
        if answer is None:
            return None
        driver, card, _, _, whole, device = answer
        return Description(_text(driver), _text(card), bool((device if whole & HAS_DEVICE else whole) & VIDEO_CAPTURE))

    def modes(self) -> list[Mode]:
        """What the camera can give, as far as the driver says it."""
        return [
            Mode(pixel_format, width, height, self.rate(pixel_format, width, height))
            for pixel_format in self._formats()
            for width, height in self._sizes(pixel_format)
        ]

    def rate(self, pixel_format: str, width: int, height: int) -> float | None:
        """The most frames a second in this format and size; None if the driver does not say."""
        rates = []
        for n in range(MAX_MODES):
            answer = self._ask(ENUM_FRAMEINTERVALS, n, pixel_format.encode(), width, height, *[0] * 7)
            if answer is None:
                break
            seconds, of = answer[5:7]
            rates.append(of / seconds if seconds else 0.0)
            if answer[4] != DISCRETE:
                break
        return max(rates, default=None)

    def _formats(self) -> Iterator[str]:
        for n in range(MAX_MODES):
            answer = self._ask(ENUM_FMT, n, VIDEO_CAPTURE, 0, b"", b"", 0)
            if answer is None:
                return
            yield _text(answer[4])

    def _sizes(self, pixel_format: str) -> Iterator[tuple[int, int]]:
        for n in range(MAX_MODES):
            answer = self._ask(ENUM_FRAMESIZES, n, pixel_format.encode(), *[0] * 7)
            if answer is None:
                return
            if answer[2] != DISCRETE:
                yield answer[4], answer[7]  # the largest of the range
                return
            yield answer[3], answer[4]

    def _ask(self, request: tuple[int, struct.Struct], *values: object) -> tuple[Any, ...] | None:
        number, layout = request
        buffer = bytearray(layout.pack(*values))
        try:
            fcntl.ioctl(self._descriptor, number, buffer)
        except OSError:  # EINVAL: the end of the list; ENOTTY: no V4L2 device, or an old driver
            return None
        return layout.unpack(buffer)


@contextmanager
def open_driver(path: Path) -> Iterator[Driver]:
    """The driver of a device.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield Driver(descriptor)
    finally:
        os.close(descriptor)


def choose_format(driver: Driver, config: CameraConfig) -> str | None:
    """The pixel format to ask for; None leaves it to the driver, whose first is mostly YUYV.

    MJPG is smaller but costs decoding, so `auto` asks for it only where YUYV is too slow.
    """
    if config.pixel_format != "auto":
        return config.pixel_format
    plain, compressed = (driver.rate(name, config.width, config.height) for name in ("YUYV", "MJPG"))
    if plain is None and compressed is None:
        return "MJPG" if 2 * config.width * config.height * config.fps > USB2_BYTES_S else None
    too_slow = plain is None or plain < ENOUGH * config.fps
    return "MJPG" if too_slow and (compressed or 0.0) > (plain or 0.0) else None


def why_not_opened(error: OSError) -> str:
    """Why a device cannot be opened, and what to do."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "this user may not open it; run `sudo usermod -aG video $USER` and log in again"
    return f"it cannot be opened: {error.strerror}"


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode(errors="replace")
