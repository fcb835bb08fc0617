"""Compares what a live camera gives with what the settings ask for."""

from __future__ import annotations

import dataclasses
import logging

from device.camera.frame import Frame
from device.config.schema import CameraConfig
from device.errors import without_secrets
from device.messages import CameraMode

MEASURE_S = 5.0  # the rate is measured over this time
SETTLE_S = 2.0  # after this time: a camera adapts its exposure first
SLOW = 0.8  # times the asked rate is less than asked

log = logging.getLogger(__name__)


class StreamCheck:
    """Measures the mode of a camera from its frames; each difference is in the log once.

    Args:
        config: what is asked for; its `source` is the camera.
        adjustable: the camera can give what it is asked for; else nothing is compared.
    """

    def __init__(self, config: CameraConfig, adjustable: bool) -> None:
        self.mode: CameraMode | None = None  # None before the first frame
        self._config = config
        self._adjustable = adjustable
        self._told: dict[str, str] = {}  # kind of difference -> sentence
        self._first: Frame | None = None
        self._start: Frame | None = None  # where measuring begins
        self._done = False

    @property
    def warning(self) -> str | None:
        """The differences, in sentences; None if there is none."""
        return " ".join(self._told.values()) or None

    def restart(self) -> None:
        """The camera was opened again: measure again."""
        self._first = self._start = None
        self._done = False

    def add(self, frame: Frame) -> None:
        """Take in the next frame of the camera."""
        if self._done:
            return
        if self._first is None:
            self._first = frame
            self._check_first(frame)
        if self._start is None and frame.time_s - self._first.time_s >= SETTLE_S:
            self._start = frame
        if self._start is not None and frame.time_s - self._start.time_s >= MEASURE_S:
            self._done = True
            self._check_rate((frame.index - self._start.index) / (frame.time_s - self._start.time_s))

    def _check_first(self, frame: Frame) -> None:
        config = self._config
        height, width = frame.image.shape[:2]
        source, pixel_format = without_secrets(config.source), frame.pixel_format or None
        self.mode = CameraMode(source=source, width=width, height=height, pixel_format=pixel_format, fps=None)
        asked = (config.width, config.height)
        came = (height, width) if config.rotate in (90, 270) else (width, height)
        if came != asked:
            self._tell("size", f"{_by(asked)} pixels were asked for, but {_by(came)} come.")
        if config.pixel_format not in ("auto", frame.pixel_format) and frame.pixel_format:
            self._tell("format", f"{config.pixel_format} was asked for, but {frame.pixel_format} comes.")

    def _check_rate(self, fps: float) -> None:
        assert self.mode is not None
        self.mode = dataclasses.replace(self.mode, fps=round(fps, 2))
        if fps < SLOW * self._config.fps:
            or_format = " or device.camera.pixel_format MJPG" if self.mode.pixel_format == "YUYV" else ""
            self._tell(
                "rate",
                f"{self._config.fps:g} frames/s were asked for, but {fps:.1f} come; in low light cameras are slower, "
                f"else try a smaller size{or_format}.",
            )

    def _tell(self, kind: str, sentence: str) -> None:
        if not self._adjustable:
            return
        if kind not in self._told:
            log.warning("%s: %s", without_secrets(self._config.source), sentence)
        self._told[kind] = sentence


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
