"""A camera as the chain sees it: an iterator of frames, to be closed."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from device.camera.frame import Frame, RawFrame
from device.camera.reader import FrameReader, LatestFrameReader, SequentialReader
from device.camera.sources.registry import is_file, is_live, open_source
from device.config.schema import CameraConfig
from device.errors import FrozenError

SLICE_S = 0.5  # a signal that comes just before a wait does not end it, so no wait is long


class Camera:
    """One opening of a source: an iterator of frames; to be closed, or used in a `with`.

    A live camera and a file in real time run in a process of their own and keep only the newest frame: who is slow
    skips frames and never sees old ones. A file that plays `fast` gives every frame.

    Raises:
        SourceError: there is no such source, it fails, stalls or is frozen; while iterating.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.live = is_live(config)  # False: it ends by itself
        self.skipped = 0  # in all
        self._config = config
        self._index = -1
        in_turn = config.fast and is_file(config) and not self.live
        self._reader: FrameReader = (
            SequentialReader(open_source(config, time.sleep)) if in_turn else LatestFrameReader(config)
        )
        self._peeked: Frame | None = None

    @property
    def ended(self) -> bool:
        """No more frames will come."""
        return self._reader.over and self._peeked is None

    def take(self, patience_s: float) -> Frame | None:
        """The next frame; None if none came within this time, or the source has ended."""
        if self._peeked is not None:
            peeked, self._peeked = self._peeked, None
            return peeked
        taken = self._reader.take(patience_s)
        if taken is None:
            return None
        shot, skipped = taken
        self._reject_frozen(shot)
        self.skipped += skipped
        self._index += skipped + 1
        return Frame(shot.image, self._index, shot.time_s, shot.timestamp, skipped, shot.still_s)

    def close(self) -> None:
        """Free the source; harmless when repeated."""
        self._reader.close()

    def wait(self) -> None:
        """Until a first frame is there, which `take` will give, or the source has ended."""
        while self._peeked is None and not self.ended:
            self._peeked = self.take(SLICE_S)

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

    def _reject_frozen(self, shot: RawFrame) -> None:
        limit_s = self._config.frozen_s
        if limit_s is not None and shot.still_s >= limit_s:
            raise FrozenError(
                f"{self._config.source}: the same frame for {limit_s:g} s, pixel for pixel; the camera hangs, or it is "
                "covered."
            )


def open_camera(config: CameraConfig) -> Camera:
    """The camera that `config.source` names, with a first frame waiting.

    Raises:
        SourceError: no such scheme or source, or it gives no frame within `timeout_s`.
    """
    camera = Camera(config)
    try:
        camera.wait()
    except BaseException:
        camera.close()
        raise
    return camera
