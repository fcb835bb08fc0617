"""Keeps a camera going: one that stalls, freezes or breaks is ended and opened again, and people are told."""

from __future__ import annotations

import dataclasses
import logging
import random
import time

from device.camera.camera import SLICE_S, Camera
from device.camera.frame import Frame
from device.camera.sources.registry import is_file, is_live
from device.config.schema import CameraConfig
from device.errors import FrozenError, SourceError, StalledError
from device.messages import CameraState

JITTER = 0.25  # a wait grows by up to this share at random, so that a rack of cameras does not start at once
STATES: dict[type[SourceError], CameraState] = {StalledError: "stalled", FrozenError: "frozen"}  # others: failed

log = logging.getLogger(__name__)


class CameraSupervisor:
    """A camera that heals, one short step after another.

    A live camera heals by itself once it has given a frame; before that, and for a file, a fault is an error.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.state: CameraState = "starting"
        self.error: str | None = None  # what is wrong, in a sentence; None while nothing is
        self.skipped = 0  # frames in all that nobody had time for
        self.openings = 0
        self._config = config
        self._camera: Camera | None = None
        self._began_s: float | None = None  # when it was opened first
        self._opened_s = self._due_s = 0.0  # when it was opened last, and when it may be again
        self._tries = 0  # openings since the last frame
        self._index = -1  # of that frame

    def step(self) -> Frame | None:
        """The next frame; None if there is none yet, after a fraction of a second: `state` says why.

        Raises:
            SourceError: what cannot heal.
            StuckError: the camera's process cannot be killed; only a new start of ours, or of the machine, may help.
        """
        if self._camera is None and not self._open():
            return None
        assert self._camera is not None
        try:
            return self._take(self._camera)
        except SourceError as error:
            self._lose(error)
        return None

    def pause(self) -> None:
        """Close the camera until `resume`."""
        self.state, self.error = "paused", None
        self.close()

    def resume(self) -> None:
        """Open it again, as soon as that is allowed; harmless if it is not paused."""
        if self.state == "paused":
            self.state = "starting"

    def close(self) -> None:
        """Free the camera; harmless when repeated."""
        if self._camera is not None:
            camera, self._camera = self._camera, None
            camera.close()

    def _open(self) -> bool:
        """Open the camera if it is time; else wait a little."""
        left_s = self._due_s - time.monotonic()
        if self.state == "paused" or left_s > 0:
            time.sleep(SLICE_S if self.state == "paused" else min(SLICE_S, left_s))
            return False
        self._opened_s = time.monotonic()
        self._began_s = self._began_s or self._opened_s
        self._due_s = self._opened_s + _wait_s(self._config, self._tries)
        self._tries += 1
        self.openings += 1
        self._camera = Camera(self._config)
        return True

    def _take(self, camera: Camera) -> Frame | None:
        frame = camera.take(SLICE_S)
        if camera.ended:
            self.state, self.error = "ended", None
        if frame is None or (self.state == "frozen" and not (frame.index > 0 and frame.still_s == 0)):
            return None
        if self.error is not None:
            log.info("%s: the camera gives frames again", self._config.source)
        self.state, self.error = "running", None
        self._tries, self._due_s = 0, self._opened_s + self._config.reopen_min_s
        return self._placed(frame)

    def _placed(self, frame: Frame) -> Frame:
        """The same, in its place among the frames of every opening."""
        self.skipped += frame.skipped
        self._index += frame.skipped + 1
        later_s = self._opened_s - (self._began_s or 0.0) if is_file(self._config) else 0.0
        return dataclasses.replace(frame, index=self._index, time_s=frame.time_s + later_s)

    def _lose(self, error: SourceError) -> None:
        """End the camera; if it can heal, remember what is wrong."""
        self.close()
        if self._index < 0 or not is_live(self._config):
            raise error
        if self.error != str(error):
            log.warning("%s It is opened again.", error)
        self.state, self.error = STATES.get(type(error), "failed"), str(error)


def _wait_s(config: CameraConfig, tries: int) -> float:
    """From an opening to the next, if it is to be the one after `tries` others that gave no frame."""
    wait_s = min(config.reopen_max_s, config.reopen_min_s * 2.0 ** min(tries, 16))
    return max(config.reopen_min_s, wait_s) * (1 + random.uniform(0, JITTER))
