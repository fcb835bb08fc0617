"""Cameras: frames from a Pi camera, a V4L2 device, or files. Iterate one, and close it."""

from __future__ import annotations

import os
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from device.capture import Every, Newest, Taker
from device.config import CameraConfig
from device.errors import SourceError
from device.playback import hush, play


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture that a camera took."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR or (H, W) grey, not to be changed
    index: int  # of all frames that the camera gave, from 0; skipped ones count
    time_s: float  # monotonic; a file's media time, so that --fast changes nothing but the speed
    timestamp: float  # UNIX seconds; a file's are those it would have in real time
    skipped: int = 0  # frames that were dropped since the last one


class Shot(NamedTuple):
    """A picture, as it comes from the source."""

    image: NDArray[np.uint8]
    time_s: float
    timestamp: float


class Camera(ABC):
    """An iterator of frames; to be closed, or used in a `with`.

    A live camera and a file in real time keep only the newest frame: who is slow skips frames and never sees old ones.

    Raises:
        SourceError: there is no such source, or it gives no frame within `timeout_s`; at opening or while iterating.
    """

    live = True  # False: it ends by itself

    def __init__(self, config: CameraConfig, every: bool = False) -> None:
        self.skipped = 0  # in all
        self._config = config
        self._index = -1
        self._closing = threading.Event()
        self._shots: Taker[Shot] = Every(self._shoot()) if every else Newest(self._shoot())
        try:
            self._shots.ready(config.timeout_s)
        except TimeoutError:
            self.close()
            raise self._silent() from None

    @abstractmethod
    def _shoot(self) -> Generator[Shot, None, None]:
        """Open the source, yield what it gives until it ends, and free it however this ends."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        try:
            taken = self._shots.take(self._config.timeout_s)
        except TimeoutError:
            raise self._silent() from None
        if taken is None:
            raise StopIteration
        shot, skipped = taken
        self.skipped += skipped
        self._index += skipped + 1
        return Frame(shot.image, self._index, shot.time_s, shot.timestamp, skipped)

    def close(self) -> None:
        """Free the source; harmless when repeated."""
        self._closing.set()
        self._shots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _silent(self) -> SourceError:
        return SourceError(
            f"{self._config.source}: no frame for {self._config.timeout_s:g} s; check the camera's cable, and whether "
            "another program uses it."
        )


class FileCamera(Camera):
    """A video, a picture that stands still for `picture_s`, or a folder whose pictures play as a video."""

    live = False

    def __init__(self, path: Path, config: CameraConfig) -> None:
        self._path = path
        super().__init__(config, every=config.fast)

    def _shoot(self) -> Generator[Shot, None, None]:
        began_s, began = time.monotonic(), time.time()
        for image, media_s in play(self._path, self._config):
            if not self._config.fast:
                self._closing.wait(max(0.0, began_s + media_s - time.monotonic()))
            yield Shot(image, media_s, began + media_s)


class V4L2Camera(Camera):
    """A USB camera, or whatever else Linux shows as /dev/videoN, through OpenCV."""

    def __init__(self, path: Path, config: CameraConfig) -> None:
        self._path = path
        super().__init__(config)

    def _shoot(self) -> Generator[Shot, None, None]:
        import cv2

        capture = _open_v4l2(self._path, self._config)
        try:
            while True:
                good, image = capture.read()
                if not good:
                    raise SourceError(f"{self._path}: the camera stopped giving frames; check its cable and power.")
                yield Shot(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
        except cv2.error as error:
            raise SourceError(f"{self._path}: the camera gave a frame that cannot be decoded: {error.err}.") from error
        finally:
            capture.release()


class Picamera2Camera(Camera):
    """A Raspberry Pi camera module, through picamera2."""

    def __init__(self, number: int, config: CameraConfig) -> None:
        self._number = number
        super().__init__(config)

    def _shoot(self) -> Generator[Shot, None, None]:
        camera = _open_picamera2(self._number, self._config)
        try:
            camera.start()
            while True:
                image = camera.capture_array("main")
                yield Shot(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
        except RuntimeError as error:
            raise SourceError(f"{self._config.source}: the camera failed: {error}.") from error
        finally:
            camera.close()


def open_camera(config: CameraConfig) -> Camera:
    """The camera that `config.source` names, with a first frame waiting.

    Raises:
        SourceError: no such scheme or source, or it gives no frame within `timeout_s`.
    """
    scheme, found, rest = config.source.partition("://")
    if not found:
        return FileCamera(Path(config.source).expanduser(), config)
    if scheme == "v4l2":
        return V4L2Camera(Path(rest), config)
    if scheme == "picamera2" and re.fullmatch(r"\d{0,3}", rest):
        return Picamera2Camera(int(rest or 0), config)
    raise SourceError(
        f"{config.source}: this source is not known; write picamera2://0, v4l2:///dev/video0, or the path of a file or "
        "folder."
    )


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
