"""A file camera that misbehaves as real ones do, so that every fault can be rehearsed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Iterable

import numpy as np

from device.camera.frame import RawFrame
from device.config.schema import CameraConfig

SLOW_S = 1.0  # from frame to frame


def with_fault(shots: Iterable[RawFrame], config: CameraConfig) -> Generator[RawFrame, None, None]:
    """The first `fault_frame` frames of `shots`, and from then on what `fault` says; without a fault, all of them."""
    good: RawFrame | None = None
    for number, shot in enumerate(shots):
        if config.fault is None or number < config.fault_frame:
            good = shot
            yield shot
        else:
            yield _FAULTS[config.fault](shot, good or shot)


def _stall(shot: RawFrame, good: RawFrame) -> RawFrame:
    """Hang as inside a driver; the camera's process heeds no signal but SIGKILL anyway."""
    while True:
        time.sleep(3600)


def _repeat(shot: RawFrame, good: RawFrame) -> RawFrame:
    return shot._replace(image=good.image)


def _die(shot: RawFrame, good: RawFrame) -> RawFrame:
    """End as a library does that writes where it may not."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return _stall(shot, good)


def _garbage(shot: RawFrame, good: RawFrame) -> RawFrame:
    return shot._replace(image=np.zeros((*shot.image.shape, 2), np.uint8))


def _slow(shot: RawFrame, good: RawFrame) -> RawFrame:
    time.sleep(SLOW_S)
    return shot


_FAULTS = {"stall": _stall, "repeat": _repeat, "die": _die, "garbage": _garbage, "slow": _slow}
