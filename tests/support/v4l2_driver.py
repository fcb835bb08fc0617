"""A simulated V4L2 driver: answers ioctl as the kernel's documentation says (linux/videodev2.h)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

DISCRETE, STEPWISE = 1, 3
CAPTURE, META, HAS_DEVICE = 0x1, 0x800000, 0x80000000

Sizes = Mapping[tuple[int, int], Sequence[int]]  # width, height -> frames a second


@dataclass
class SimulatedCamera:
    """What the driver says of one device."""

    formats: Mapping[str, Sizes] = field(default_factory=dict)
    stepwise: bool = False  # it names ranges of sizes and intervals
    driver: str = "uvcvideo"
    card: str = "ACME Camera"
    device: int = CAPTURE  # capabilities of the device; the hardware can always capture

    def answer(self, request: int, buffer: bytearray) -> None:
        """Fill the structure of a request, or raise as ioctl does."""
        handlers = {
            0x80685600: self._capability,
            0xC0405602: self._format,
            0xC02C564A: self._size,
            0xC034564B: self._interval,
        }
        if request not in handlers:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        try:
            handlers[request](buffer)
        except (IndexError, KeyError):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None

    def _capability(self, buffer: bytearray) -> None:
        struct.pack_into("16s32s", buffer, 0, self.driver.encode(), self.card.encode())
        struct.pack_into("II", buffer, 84, CAPTURE | META | HAS_DEVICE, self.device)

    def _format(self, buffer: bytearray) -> None:
        index, kind = struct.unpack_from("II", buffer)
        assert kind == 1  # frames of a camera
        buffer[44:48] = [*self.formats][index].encode()

    def _size(self, buffer: bytearray) -> None:
        index, fourcc = struct.unpack_from("I4s", buffer)
        sizes = [*self.formats[fourcc.decode()]]
        if self.stepwise:
            width, height = [max(sizes)][index]
            struct.pack_into("I6I", buffer, 8, STEPWISE, 16, width, 8, 16, height, 8)
        else:
            struct.pack_into("III", buffer, 8, DISCRETE, *sizes[index])

    def _interval(self, buffer: bytearray) -> None:
        index, fourcc, width, height = struct.unpack_from("I4sII", buffer)
        rates = self.formats[fourcc.decode()][width, height]
        if self.stepwise:
            fastest = [max(rates)][index]
            struct.pack_into("I6I", buffer, 16, STEPWISE, 1, fastest, 1, 1, 1, fastest)
        else:
            struct.pack_into("III", buffer, 16, DISCRETE, 1, rates[index])


def plug_in(monkeypatch: pytest.MonkeyPatch, cameras: Mapping[str, SimulatedCamera]) -> None:
    """Let these answer for the files of these names; every other device is no V4L2 one."""

    def ioctl(descriptor: int, request: int, buffer: bytearray) -> int:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH119, PTH115
        if name not in cameras:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        cameras[name].answer(request, buffer)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)


WEBCAM = SimulatedCamera(
    formats={
        "YUYV": {(640, 480): [30, 15], (1280, 720): [10, 5], (1920, 1080): [5]},
        "MJPG": {(640, 480): [30], (1280, 720): [30], (1920, 1080): [30, 15]},
    }
)
