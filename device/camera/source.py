"""What every camera source offers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from device.camera.frame import RawFrame
from device.config.schema import CameraConfig

Pause = Callable[[float], None]  # waits for so many seconds

# Takes the URI's address (what follows `://`, or a path), the settings, and a pause that the worker
# can interrupt. Yields frames until the source ends, and always frees it. Raises SourceError.
OpenFrames = Callable[[str, CameraConfig, Pause], Generator[RawFrame, None, None]]


@dataclass(frozen=True)
class Source:
    """One kind of camera; each module in `sources/` defines one, named SOURCE."""

    open_frames: OpenFrames
    example: str  # how a user writes it
    module: str  # that it needs; imported before the wait for the first frame begins
    live: bool = True  # does not end by itself, and opening it again can repair it
    media_time: bool = False  # the frames' times count from the opening, not from the board's start
