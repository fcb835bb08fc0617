"""What every camera source offers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

from device.camera.frame import RawFrame
from device.config.schema import CameraConfig

Pause = Callable[[float], None]  # waits for so many seconds

# Takes the URI's address (what follows `://`, or a path), the settings, and a pause that the worker
# can interrupt. Yields frames until the source ends, and always frees it. Raises SourceError.
OpenFrames = Callable[[str, CameraConfig, Pause], Generator[RawFrame, None, None]]


class Mode(NamedTuple):
    """One thing that a camera can give."""

    pixel_format: str  # a FourCC such as MJPG, or the driver's word
    width: int
    height: int
    fps: float | None  # at most; None if the driver does not say


@dataclass(frozen=True)
class FoundCamera:
    """A camera that is there."""

    uri: str
    name: str
    path: str | None = None  # one that stays the same when cameras are plugged in elsewhere
    modes: tuple[Mode, ...] = ()
    problem: str | None = None  # why it cannot be used, one sentence


@dataclass(frozen=True)
class Source:
    """One kind of camera; each module in `sources/` defines one, named SOURCE."""

    open_frames: OpenFrames
    example: str  # how a user writes it
    module: str  # that it needs; imported before the wait for the first frame begins
    live: bool = True  # does not end by itself, and opening it again can repair it
    media_time: bool = False  # the frames' times count from the opening, not from the board's start
    adjustable: bool = True  # gives the size and rate that are asked for, if it can
    turns: bool = False  # heeds `rotate` and `flip` itself
    noisy: bool = True  # no two frames are equal while it works
    find: Callable[[bool], list[FoundCamera]] = lambda modes: []  # those that are there, perhaps with their modes
    note: Callable[[CameraConfig], str | None] = lambda config: None  # what a user should know
