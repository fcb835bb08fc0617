"""Decodes media files: pictures, animated pictures, videos."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.camera.file_kind import is_phone_photo, opencv_name
from device.camera.opencv_logs import silence_opencv_logs
from device.camera.picture_size import check_size, refuse_large
from device.errors import SourceError
from device.standard_streams import quiet_decoders

MAX_FPS = 1000.0  # a video that claims more has a broken header
CHUNK_BYTES = 64_000_000  # of an animation so many are decoded at a time; each time from its start


class Still(NamedTuple):
    """One picture of a clip, and when it is due."""

    image: NDArray[np.uint8]  # (H, W, 3) BGR, not to be changed
    media_s: float  # since the clip's start; grows over repetitions


def read_picture(path: Path, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """A picture file of any depth and colour as uint8 BGR (H, W, 3), upright by its EXIF tag.

    Args:
        path: the file.
        max_pixels: one with more is refused before it is decoded; None: none is.

    Raises:
        SourceError: it cannot be decoded, or has too many pixels.
    """
    import cv2

    silence_opencv_logs()
    if max_pixels is not None:
        check_size(path, max_pixels)
    with opencv_name(path) as name, quiet_decoders():
        try:
            image = cv2.imread(name, cv2.IMREAD_COLOR)
        except cv2.error:  # more pixels than OpenCV will take
            image = None
    if image is None:
        raise SourceError(_why_not_decoded(path))
    return np.asarray(image, dtype=np.uint8)


def read_video(path: Path, fps: float, max_pixels: int, clock: bool = True) -> Iterator[Still]:
    """Frames at the file's own time stamps; where these do not grow, at its frame rate.

    Args:
        path: the file.
        fps: the rate of a file that names none, frames a second.
        max_pixels: a video whose frames have more is refused.
        clock: False ignores what the file says of time.

    Raises:
        SourceError: it cannot be opened, or its frames have too many pixels.
    """
    import cv2

    silence_opencv_logs()
    with opencv_name(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise SourceError(f"{path}: this is neither a video nor a picture, or it is damaged or cut short.")
            width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
            refuse_large(path, int(width), int(height), max_pixels)
            claimed = capture.get(cv2.CAP_PROP_FPS)
            step_s = 1.0 / claimed if clock and 0 < claimed <= MAX_FPS else 1.0 / fps
            media_s = -step_s
            while True:
                with quiet_decoders():
                    good, image = capture.read()
                if not good:
                    return
                stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0 if clock else 0.0
                media_s = stamp_s if stamp_s > media_s else media_s + step_s
                yield Still(np.asarray(image, dtype=np.uint8), media_s)
        finally:
            capture.release()


def read_animation(path: Path, fps: float, max_pixels: int) -> Iterator[Still]:
    """The pictures of an animated GIF, PNG, WebP or AVIF, each at its time.

    Raises:
        SourceError: it cannot be decoded, or this OpenCV cannot play its format.
    """
    import cv2

    with path.open("rb") as file:
        by_ffmpeg = file.read(4) in (b"GIF8", b"\x89PNG")
    check_size(path, max_pixels)
    if by_ffmpeg:
        yield from read_video(path, fps, max_pixels)
        return
    if not hasattr(cv2, "imreadanimation"):
        raise SourceError(f"{path}: an animation in this format needs OpenCV 4.11 or later; convert it to MP4 or GIF.")
    yield from _read_all(path)


def _read_all(path: Path) -> Iterator[Still]:
    """The pictures of an animation, through OpenCV, which knows how long each is shown."""
    import cv2

    silence_opencv_logs()
    media_ms = 0
    with opencv_name(path) as name:
        good, animation = cv2.imreadanimation(name, 0, 1)
        if not good:
            raise SourceError(_why_not_decoded(path))
        count = max(1, CHUNK_BYTES // animation.frames[0].nbytes)
        for start in itertools.count(0, count):
            good, animation = cv2.imreadanimation(name, start, count)
            if not good:
                return
            for image, shown_ms in zip(animation.frames, animation.durations, strict=True):
                yield Still(np.ascontiguousarray(np.asarray(image, dtype=np.uint8)[..., :3]), media_ms / 1000)
                media_ms += max(1, int(shown_ms))


def _why_not_decoded(path: Path) -> str:
    with path.open("rb") as file:
        phone_photo = is_phone_photo(file.read(12))
    if phone_photo:
        return f"{path}: HEIC and AVIF pictures cannot be decoded on this machine; save it as JPEG or PNG."
    return f"{path}: the picture cannot be decoded; it is damaged, cut short, or not a picture."
