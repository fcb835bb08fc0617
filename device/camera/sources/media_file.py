"""Videos, pictures and folders of pictures, played as a camera would show them."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from device.bounded_file import user_path
from device.camera.decoding import MAX_FPS, Still, read_animation, read_picture, read_video
from device.camera.file_kind import PHONE_PHOTOS, PICTURES, kind_of, opencv_name
from device.camera.frame import RawFrame
from device.camera.opencv_logs import silence_opencv_logs
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError, unreadable_as

__all__ = ["PICTURES", "SOURCE", "is_picture", "play", "read_picture"]


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is a path. In real time, unless `fast`.

    With `fast` the timestamps are those of a file that ended just now, so that none is in the
    future.
    """
    path = user_path(address)
    began_s, began = time.monotonic(), time.time()
    with unreadable_as(SourceError, path):
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
    if kind_of(path) != "video":
        return sum(1 for _ in _clip(path, config)) / config.fps  # without a clock: short, or rare
    silence_opencv_logs()
    with opencv_name(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
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


def is_picture(path: Path) -> bool:
    """Whether a file is a single picture; else it may be a video or an animation.

    Raises:
        SourceError: it does not exist, is empty, or cannot be read.
    """
    return kind_of(path) == "picture"


def _clip(path: Path, config: CameraConfig) -> Iterator[Still]:
    """The clip once."""
    if path.is_dir():
        return _folder(path, config)
    match kind_of(path):
        case "picture":
            return _picture(path, config)
        case "animation":
            return read_animation(path, config.fps, config.max_pixels)
        case kind:
            return read_video(path, config.fps, config.max_pixels, clock=kind != "raw")


def _picture(path: Path, config: CameraConfig) -> Iterator[Still]:
    image = read_picture(path, config.max_pixels)
    for n in range(max(1, round(config.picture_s * config.fps))):
        yield Still(image, n / config.fps)


def _folder(path: Path, config: CameraConfig) -> Iterator[Still]:
    with unreadable_as(SourceError, path, "the folder"):
        entries = sorted(path.iterdir(), key=_natural)
    pictures = [p for p in entries if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    if not pictures:
        raise SourceError(f"{path}: there is no picture in this folder ({', '.join(sorted(PICTURES))}).")
    for photo in (p for p in pictures if p.suffix.lower() in PHONE_PHOTOS):
        read_picture(photo, config.max_pixels)  # it is an error at once if one cannot be decoded
    for n, picture in enumerate(pictures):
        if not is_picture(picture):
            raise SourceError(
                f"{picture}: a folder is played picture by picture, but this one is animated; play it alone."
            )
        yield Still(read_picture(picture, config.max_pixels), n / config.fps)


def _natural(path: Path) -> list[int | str]:
    """Sort key that puts frame-2 before frame-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def _note(config: CameraConfig) -> str | None:
    path = user_path(config.source)
    with unreadable_as(SourceError, path):
        raw = path.is_file() and kind_of(path) == "raw"
    if raw:
        return f"{path}: this stream has no clock; it is played at device.camera.fps, {config.fps:g} frames a second"
    return None


SOURCE = Source(open_frames, "clip.mp4", module="cv2", live=False, media_time=True, adjustable=False, note=_note)
