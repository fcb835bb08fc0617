"""Where pictures come from: a Pi camera, a V4L2 device, a file. Runs in the camera's process, or beside the chain."""

from __future__ import annotations

import importlib
import os
import re
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.config import CameraConfig
from device.errors import SourceError
from device.playback import hush, play
from device.slots import Shot

BAD_FRAMES = 10  # in a row; a USB camera that is jolted gives a broken JPEG now and then
BAD_FRAME_S = 0.02  # an unplugged one fails at once, so that some time must pass between two attempts
ROWS = 16  # the pixels of every 16th row are compared first: those of a camera that lives differ there

Pause = Callable[[float], None]


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


def shoot(config: CameraConfig, pause: Pause) -> Generator[Shot, None, None]:
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


def watched(shots: Iterable[Shot]) -> Generator[Shot, None, None]:
    """The same, each with the time for which no pixel has changed: a sensor's noise never repeats itself."""
    last: NDArray[np.uint8] | None = None
    since_s = 0.0
    for shot in shots:
        now_s = time.monotonic()
        if last is None or not _same(shot.image, last):
            since_s = now_s
        last = shot.image
        yield shot._replace(still_s=now_s - since_s)


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return np.array_equal(one[::ROWS], other[::ROWS]) and np.array_equal(one, other)


def _file(path: Path, config: CameraConfig, pause: Pause) -> Generator[Shot, None, None]:
    began_s, began = time.monotonic(), time.time()
    for image, media_s in play(path, config):
        if is_live(config) or not config.fast:
            pause(max(0.0, began_s + media_s - time.monotonic()))
        yield Shot(image, media_s, began + media_s)


def _v4l2(path: Path, config: CameraConfig, pause: Pause) -> Generator[Shot, None, None]:
    """A USB camera, or whatever else Linux shows as /dev/videoN, through OpenCV."""
    import cv2

    capture = _open_v4l2(path, config)
    bad = 0
    try:
        while bad < BAD_FRAMES:
            good, image = capture.read()
            bad = 0 if good else bad + 1
            if good:
                yield Shot(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
            else:
                pause(BAD_FRAME_S)
        raise SourceError(f"{path}: the camera stopped giving frames; check its cable and power.")
    except cv2.error as error:
        raise SourceError(f"{path}: the camera gave a frame that cannot be decoded: {error.err}.") from error
    finally:
        capture.release()


def _picamera2(number: int, config: CameraConfig) -> Generator[Shot, None, None]:
    """A Raspberry Pi camera module, through picamera2."""
    camera = _open_picamera2(number, config)
    try:
        camera.start()
        while True:
            image = camera.capture_array("main")
            yield Shot(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
    except RuntimeError as error:
        raise SourceError(f"{config.source}: the camera failed: {error}.") from error
    finally:
        camera.close()


def _open_v4l2(path: Path, config: CameraConfig) -> Any:
    import cv2

    if not path.is_char_device():
        raise SourceError(f"{path}: there is no such camera; `ls /dev/video*` shows those that are there.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: this user may not open it; run `sudo usermod -aG video $USER` and log in again.")
    hush()
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise SourceError(f"{path}: this device gives no pictures; try the other numbers of `ls /dev/video*`.")
    wishes = (
        (cv2.CAP_PROP_FRAME_WIDTH, config.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
        (cv2.CAP_PROP_FPS, config.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1),  # an older frame is of no use
    )
    for key, value in wishes:
        capture.set(key, value)
    return capture


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
