"""Makes a source fail as real cameras do: the setting `device.camera.fault`, for rehearsals."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Generator, Iterable

import numpy as np

from device.camera.frame import RawFrame
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig

SLOW_S = 1.0  # from frame to frame


def with_fault(source: Source) -> Source:
    """The same source as a live camera that fails after `fault_frame` frames."""

    def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
        in_real_time = dataclasses.replace(config, fast=False)
        return inject(source.open_frames(address, in_real_time, pause), config)

    return dataclasses.replace(source, open_frames=open_frames, live=True)


def inject(frames: Iterable[RawFrame], config: CameraConfig) -> Generator[RawFrame, None, None]:
    """The first `fault_frame` frames, then the fault on each further one."""
    fault = _FAULTS[config.fault or ""]
    good: RawFrame | None = None
    for number, frame in enumerate(frames):
        if number < config.fault_frame:
            good = frame
            yield frame
        else:
            yield fault(frame, good or frame)


def _stall(frame: RawFrame, good: RawFrame) -> RawFrame:
    """Hang as inside a driver; only SIGKILL ends the worker process then."""
    while True:
        time.sleep(3600)


def _repeat(frame: RawFrame, good: RawFrame) -> RawFrame:
    return frame._replace(image=good.image)


def _die(frame: RawFrame, good: RawFrame) -> RawFrame:
    """End as a library does that writes to memory it does not own."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return _stall(frame, good)


def _garbage(frame: RawFrame, good: RawFrame) -> RawFrame:
    return frame._replace(image=np.zeros((*frame.image.shape, 2), np.uint8))


def _slow(frame: RawFrame, good: RawFrame) -> RawFrame:
    time.sleep(SLOW_S)
    return frame


_FAULTS = {"stall": _stall, "repeat": _repeat, "die": _die, "garbage": _garbage, "slow": _slow}
