"""Videos, pictures and folders of pictures, played as a camera would show them."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import RawFrame
from device.camera.opencv_logs import silence_opencv_logs
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError

PICTURES = frozenset((".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
MAX_FPS = 1000.0  # a video that claims more has a broken header


class Still(NamedTuple):
    """One picture of a clip, and when it is due."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR, not to be changed
    media_s: float  # since the clip's start; grows over repetitions


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is a path. In real time, unless `fast`.

    With `fast` the timestamps are those of a file that ended just now, so that none is in the
    future.
    """
    path = Path(address).expanduser()
    began_s, began = time.monotonic(), time.time()
    if config.fast:
        began -= _length_s(path, config)
    for image, media_s in play(path, config):
        if not config.fast:
            pause(max(0.0, began_s + media_s - time.monotonic()))
        yield RawFrame(image, media_s, min(began + media_s, time.time()))


def _length_s(path: Path, config: CameraConfig) -> float:
    """How long a file or folder is played, about; 0 where that is not known without reading it."""
    import cv2

    if path.is_dir():
        return sum(1 for _ in path.iterdir()) / config.fps
    if is_picture(path):
        return config.picture_s
    silence_opencv_logs()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames / fps if frames > 0 and 0 < fps <= MAX_FPS else 0.0


def play(path: Path, config: CameraConfig) -> Iterator[Still]:
    """The pictures of a file or folder in order, without waiting; endless with `loop`.

    Raises:
        SourceError: the path does not exist, cannot be read, or holds no picture.
    """
    began_s = 0.0
    while True:
        next_s = began_s
        for image, media_s in _clip(path, config):
            yield Still(image, began_s + media_s)
            next_s = began_s + media_s + 1.0 / config.fps
        if next_s == began_s:
            raise SourceError(f"{path}: there is no frame in this video; it is empty or cut short, take another.")
        if not config.loop:
            return
        began_s = next_s


def _clip(path: Path, config: CameraConfig) -> Iterator[Still]:
    """The clip once."""
    if path.is_dir():
        return _folder(path, config.fps)
    return _picture(path, config) if is_picture(path) else _video(path, config.fps)


def is_picture(path: Path) -> bool:
    """Whether a file is a single picture; else it may be a video.

    Raises:
        SourceError: it does not exist or cannot be read.
    """
    import cv2

    _check_file(path)
    return path.suffix.lower() in PICTURES or cv2.haveImageReader(str(path))


def _check_file(path: Path) -> None:
    if not path.exists():
        raise SourceError(f"{path}: there is no such file or folder.")
    if not path.is_file():
        raise SourceError(f"{path}: this is no file; a camera is written as v4l2://{path}.")
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise SourceError(f"{path}: the file cannot be read: {error.strerror}.") from error
    if empty:
        raise SourceError(f"{path}: the file is empty.")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # OpenCV crashes on such a name
        raise SourceError(f"{path}: the file's name is not UTF-8; rename the file.") from error


def _picture(path: Path, config: CameraConfig) -> Iterator[Still]:
    image = read_picture(path)
    for n in range(max(1, round(config.picture_s * config.fps))):
        yield Still(image, n / config.fps)


def _folder(path: Path, fps: float) -> Iterator[Still]:
    try:
        entries = sorted(path.iterdir(), key=_natural)
    except OSError as error:
        raise SourceError(f"{path}: the folder cannot be read: {error.strerror}.") from error
    pictures = [p for p in entries if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    if not pictures:
        raise SourceError(f"{path}: there is no picture in this folder ({', '.join(sorted(PICTURES))}).")
    for n, picture in enumerate(pictures):
        _check_file(picture)
        yield Still(read_picture(picture), n / fps)


def _natural(path: Path) -> list[int | str]:
    """Sort key that puts frame-2 before frame-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def _video(path: Path, fps: float) -> Iterator[Still]:
    """Frames at the file's own time stamps; where these do not grow, at the frame rate."""
    import cv2

    silence_opencv_logs()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise SourceError(f"{path}: this is neither a video nor a picture, or it is damaged or cut short.")
        claimed = capture.get(cv2.CAP_PROP_FPS)
        step_s = 1.0 / claimed if 0 < claimed <= MAX_FPS else 1.0 / fps
        media_s = -step_s
        while True:
            good, image = capture.read()
            if not good:
                return
            stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
            media_s = stamp_s if stamp_s > media_s else media_s + step_s
            yield Still(np.asarray(image, dtype=np.uint8), media_s)
    finally:
        capture.release()


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture file of any depth and colour as uint8 BGR (H, W, 3), upright by its EXIF tag.

    Raises:
        SourceError: it cannot be decoded.
    """
    import cv2

    silence_opencv_logs()
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV will take
        image = None
    if image is None:
        raise SourceError(f"{path}: the picture cannot be decoded; it is damaged, cut short, or not a picture.")
    return np.asarray(image, dtype=np.uint8)


SOURCE = Source(open_frames, "clip.mp4", module="cv2", live=False, media_time=True)
