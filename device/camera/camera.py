"""A camera as the pipeline uses it: an iterator of frames that must be closed."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from device.camera.discovery import choose_camera
from device.camera.frame import Frame, RawFrame
from device.camera.reader import FrameReader, LatestFrameReader, SequentialReader
from device.camera.sources.registry import find_source, open_source
from device.config.schema import CameraConfig
from device.errors import FrozenError, without_secrets

SLICE_S = 0.5  # no wait is longer, because a signal just before a wait does not end it


class Camera:
    """One opening of a source: an iterator of frames; close it, or use it in a `with`.

    A live camera and a file in real time run in a worker process that keeps only the newest frame:
    a slow caller skips frames and never gets old ones. A file that plays `fast` gives every frame.

    Raises:
        SourceError: while iterating; the source is unknown, fails, stalls or is frozen.
    """

    def __init__(self, config: CameraConfig) -> None:
        config = choose_camera(config)
        self.source = without_secrets(config.source)  # the camera that was chosen if it was `auto`
        source = find_source(config)
        self.live = source.live  # False: it ends by itself
        self.skipped = 0  # in all
        self._config = config
        self._in_file = source.media_time and not source.live
        self._index = -1
        every_frame = config.fast and not self.live
        self._reader: FrameReader = (
            SequentialReader(open_source(config, time.sleep)) if every_frame else LatestFrameReader(config)
        )
        self._first: Frame | None = None

    @property
    def ended(self) -> bool:
        """No more frames will come."""
        return self._reader.over and self._first is None

    def take(self, wait_s: float) -> Frame | None:
        """The next frame; None if none came within `wait_s`, or the source has ended."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        taken = self._reader.take(wait_s)
        if taken is None:
            return None
        raw, skipped = taken
        self._reject_frozen(raw)
        self.skipped += skipped
        self._index += skipped + 1
        media_s = raw.time_s if self._in_file else None
        shown = (raw.time_s, raw.timestamp, skipped, raw.still_s, raw.pixel_format, media_s)
        return Frame(raw.image, self._index, *shown)

    def close(self) -> None:
        """Free the source; harmless when repeated."""
        self._reader.close()

    def wait(self) -> None:
        """Wait until a first frame is there, which `take` returns next, or the source has ended."""
        while self._first is None and not self.ended:
            self._first = self.take(SLICE_S)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        while (frame := self.take(SLICE_S)) is None:
            if self.ended:
                raise StopIteration
        return frame

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reject_frozen(self, raw: RawFrame) -> None:
        limit_s = self._config.frozen_s
        if limit_s is not None and raw.still_s >= limit_s:
            raise FrozenError(
                f"{self._config.source}: the same frame for {limit_s:g} s, pixel for pixel; the camera hangs, or its "
                "lens is covered."
            )


def every_frame_of(path: Path, config: CameraConfig) -> CameraConfig:
    """The settings with a file or folder as the camera, played once, fast and without a fault."""
    return dataclasses.replace(config, source=str(path), fast=True, loop=False, fault=None)


def open_camera(config: CameraConfig) -> Camera:
    """Open the camera that `config.source` names, and wait for its first frame.

    Raises:
        SourceError: the scheme or source does not exist, or gives no frame within `timeout_s`.
    """
    camera = Camera(config)
    try:
        camera.wait()
    except BaseException:
        camera.close()
        raise
    return camera
