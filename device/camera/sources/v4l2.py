"""V4L2 cameras (USB and others that Linux shows as /dev/videoN), through OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from device.camera.frame import RawFrame
from device.camera.opencv_logs import silence_opencv_logs
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError

BAD_FRAMES = 10  # in a row; a USB camera that is moved gives a broken JPEG now and then
BAD_FRAME_S = 0.02  # between two attempts, because an unplugged camera fails at once


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is the path of the device."""
    import cv2

    path = Path(address)
    capture = _open_v4l2(path, config)
    bad = 0
    try:
        while bad < BAD_FRAMES:
            good, image = capture.read()
            bad = 0 if good else bad + 1
            if good:
                yield RawFrame(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
            else:
                pause(BAD_FRAME_S)
        raise SourceError(f"{path}: the camera stopped giving frames; check its cable and power.")
    except cv2.error as error:
        raise SourceError(f"{path}: the camera gave a frame that cannot be decoded: {error.err}.") from error
    finally:
        capture.release()


def _open_v4l2(path: Path, config: CameraConfig) -> Any:
    import cv2

    if not path.is_char_device():
        raise SourceError(f"{path}: there is no such camera; `ls /dev/video*` shows those that are there.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: this user may not open it; run `sudo usermod -aG video $USER` and log in again.")
    silence_opencv_logs()
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise SourceError(f"{path}: this device gives no pictures; try the other numbers of `ls /dev/video*`.")
    properties = (
        (cv2.CAP_PROP_FRAME_WIDTH, config.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
        (cv2.CAP_PROP_FPS, config.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1),  # an older frame is of no use
    )
    for key, value in properties:
        capture.set(key, value)
    return capture


SOURCE = Source(open_frames, "v4l2:///dev/video0", module="cv2")
