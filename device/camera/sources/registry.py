"""Where pictures come from: a Pi camera, a V4L2 device, a file. Runs in the camera's process, or beside the chain."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from device.camera.frame import Pause, RawFrame
from device.camera.sources.media_file import play
from device.camera.sources.picamera2 import _picamera2
from device.camera.sources.v4l2 import _v4l2
from device.config.schema import CameraConfig
from device.errors import SourceError


def is_file(config: CameraConfig) -> bool:
    """Whether the source is a video, a picture or a folder."""
    return "://" not in config.source


def is_live(config: CameraConfig) -> bool:
    """Whether it is a camera, or a file that plays one which misbehaves: something that opening again can heal."""
    return config.fault is not None or not is_file(config)


def load(config: CameraConfig) -> None:
    """Import the library that the source needs, which may take longer than a camera may take for a frame."""
    with suppress(ImportError, ValueError):  # told of when the source is opened
        importlib.import_module("picamera2" if config.source.startswith("picamera2:") else "cv2")


def open_source(config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """Open the source, yield what it gives until it ends, and free it however this ends.

    Args:
        config: which source, and how.
        pause: waits for so many seconds; a file in real time calls it.

    Raises:
        SourceError: there is no such source, or it fails.
    """
    scheme, found, rest = config.source.partition("://")
    if not found:
        return _file(Path(config.source).expanduser(), config, pause)
    if scheme == "v4l2":
        return _v4l2(Path(rest), config, pause)
    if scheme == "picamera2" and re.fullmatch(r"\d{0,3}", rest):
        return _picamera2(int(rest or 0), config)
    raise SourceError(
        f"{config.source}: this source is not known; write picamera2://0, v4l2:///dev/video0, or the path of a file or "
        "folder."
    )


def _file(path: Path, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    began_s, began = time.monotonic(), time.time()
    for image, media_s in play(path, config):
        if is_live(config) or not config.fast:
            pause(max(0.0, began_s + media_s - time.monotonic()))
        yield RawFrame(image, media_s, began + media_s)
