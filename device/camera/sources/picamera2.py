"""Raspberry Pi camera modules, through picamera2."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from device.camera.frame import RawFrame
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError

EXAMPLE = "picamera2://0"


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is the camera's number, 0 if it is left out."""
    if not re.fullmatch(r"\d{0,3}", address):
        raise SourceError(f"picamera2://{address}: the camera's number must follow ://; write {EXAMPLE}.")
    camera = _open_picamera2(int(address or 0), config)
    try:
        camera.start()
        while True:
            image = camera.capture_array("main")
            yield RawFrame(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
    except RuntimeError as error:
        raise SourceError(f"{config.source}: the camera failed: {error}.") from error
    finally:
        camera.close()


def _open_picamera2(number: int, config: CameraConfig) -> Any:
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # ValueError: built for another numpy
        raise SourceError(
            f"picamera2://{number}: picamera2 cannot be imported ({error}); run `sudo apt install python3-picamera2` "
            "and make the virtual environment with --system-site-packages."
        ) from error
    cameras = len(Picamera2.global_camera_info())
    if number >= cameras:
        raise SourceError(f"picamera2://{number}: {cameras} cameras are connected; check the ribbon cable and restart.")
    try:
        camera = Picamera2(number)
        main = {"size": (config.width, config.height), "format": "RGB888"}  # which is B, G, R in memory
        camera.configure(camera.create_video_configuration(main=main, controls={"FrameRate": config.fps}))
    except RuntimeError as error:
        raise SourceError(f"picamera2://{number}: the camera cannot be opened; another program may use it.") from error
    return camera


SOURCE = Source(open_frames, EXAMPLE, module="picamera2")
