"""Reopens a camera that stalls, freezes or fails, and keeps its state and error for `status`."""

from __future__ import annotations

import dataclasses
import logging
import random
import time

from device.camera.camera import SLICE_S, Camera
from device.camera.discovery import choose_camera
from device.camera.frame import Frame
from device.camera.sources.registry import find_source
from device.camera.stream_check import StreamCheck
from device.config.schema import CameraConfig
from device.errors import FrozenError, SourceError, StalledError, without_secrets
from device.messages import CameraMode, CameraState

JITTER = 0.25  # share by which a wait grows at random, so that many cameras do not start at once
STATES: dict[type[SourceError], CameraState] = {StalledError: "stalled", FrozenError: "frozen"}  # others: failed

log = logging.getLogger(__name__)


class CameraSupervisor:
    """Opens a camera, reads it frame by frame, and reopens it after a fault.

    It reopens only a live camera that has given a frame. Otherwise a fault is an error.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.state: CameraState = "starting"
        self.error: str | None = None  # one sentence; None while the camera works
        self.skipped = 0  # frames in all that came while the agent was busy
        self.openings = 0
        self._asked = config
        self._config = config  # with the camera that was chosen
        self._check: StreamCheck | None = None
        self._camera: Camera | None = None
        self._began_s: float | None = None  # when it was first opened
        self._opened_s = self._due_s = 0.0  # when it was last opened, and when it may be again
        self._attempts = 0  # openings since the last frame
        self._index = -1  # of that frame

    @property
    def mode(self) -> CameraMode | None:
        """What a live camera gives; None before its first frame, and of a file."""
        return None if self._check is None else self._check.mode

    @property
    def warning(self) -> str | None:
        """What it gives differently from what was asked, in sentences; None if nothing."""
        return None if self._check is None else self._check.warning

    def step(self) -> Frame | None:
        """The next frame; None if none came within a fraction of a second: see `state`.

        Raises:
            SourceError: a fault that opening again cannot repair.
            StuckError: the worker process cannot be killed; restart the agent or the board.
        """
        if self._camera is None and not self._open():
            return None
        assert self._camera is not None
        try:
            return self._take(self._camera)
        except SourceError as error:
            self._handle_fault(error)
        return None

    def pause(self) -> None:
        """Close the camera until `resume`."""
        self.state, self.error = "paused", None
        self.close()

    def resume(self) -> None:
        """Open it again as soon as that is allowed; harmless if it is not paused."""
        if self.state == "paused":
            self.state = "starting"

    def close(self) -> None:
        """Free the camera; harmless when repeated."""
        if self._camera is not None:
            camera, self._camera = self._camera, None
            camera.close()

    def _open(self) -> bool:
        """Open the camera if that is allowed now; else wait for a short time."""
        left_s = self._due_s - time.monotonic()
        if self.state == "paused" or left_s > 0:
            time.sleep(SLICE_S if self.state == "paused" else min(SLICE_S, left_s))
            return False
        self._opened_s = time.monotonic()
        self._began_s = self._began_s or self._opened_s
        self._due_s = self._opened_s + _wait_s(self._config, self._attempts)
        self._attempts += 1
        self.openings += 1
        if self._choose():
            self._camera = Camera(self._config)
        return self._camera is not None

    def _choose(self) -> bool:
        """Choose the camera; one that had been there may be missing now."""
        try:
            before, self._config = self._config, choose_camera(self._asked)
        except SourceError as error:
            self._handle_fault(error)
            return False
        if self._check is None or self._config.source != before.source:
            source = find_source(self._config)
            self._check = StreamCheck(self._config, source.adjustable) if source.live else None
            if (note := source.note(self._config)) is not None:
                log.info("%s", note)
        if self._check is not None:
            self._check.restart()
        return True

    def _take(self, camera: Camera) -> Frame | None:
        frame = camera.take(SLICE_S)
        if camera.ended:
            self.state, self.error = "ended", None
        if frame is None or (self.state == "frozen" and not (frame.index > 0 and frame.still_s == 0)):
            return None
        if self.error is not None:
            log.info("%s: the camera works again", without_secrets(self._config.source))
        self.state, self.error = "running", None
        self._attempts, self._due_s = 0, self._opened_s + self._config.reopen_min_s
        if self._check is not None:
            self._check.add(frame)
        return self._renumbered(frame)

    def _renumbered(self, frame: Frame) -> Frame:
        """The same frame, with its index and time counted over all openings."""
        self.skipped += frame.skipped
        self._index += frame.skipped + 1
        media_time = find_source(self._config).media_time
        later_s = self._opened_s - (self._began_s or 0.0) if media_time else 0.0
        return dataclasses.replace(frame, index=self._index, time_s=frame.time_s + later_s)

    def _handle_fault(self, error: SourceError) -> None:
        """Close the camera; raise the error unless opening again can repair it."""
        self.close()
        if self._index < 0 or not find_source(self._config).live:
            raise error
        if self.error != str(error):
            log.warning("%s It will be reopened.", error)
        self.state, self.error = STATES.get(type(error), "failed"), str(error)


def _wait_s(config: CameraConfig, attempts: int) -> float:
    """Seconds from an opening to the next, after `attempts` openings that gave no frame."""
    wait_s = min(config.reopen_max_s, config.reopen_min_s * 2.0 ** min(attempts, 16))
    return max(config.reopen_min_s, wait_s) * (1 + random.uniform(0, JITTER))
