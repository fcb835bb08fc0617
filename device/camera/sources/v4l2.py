"""V4L2 cameras (USB and others that Linux shows as /dev/videoN), through OpenCV."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from device.camera.frame import RawFrame
from device.camera.opencv_logs import silence_opencv_logs
from device.camera.source import FoundCamera, Pause, Source
from device.camera.v4l2_modes import choose_format, open_driver, why_not_opened
from device.config.schema import CameraConfig
from device.errors import SourceError
from device.standard_streams import quiet_decoders

BAD_FRAMES = 10  # in a row; a USB camera that is moved gives a broken JPEG now and then
BAD_FRAME_S = 0.02  # between two attempts, because an unplugged camera fails at once
DEVICES = Path("/dev")
NOT_CAMERAS = frozenset(("bcm2835-isp", "pispbe", "rpivid", "rpi-hevc-dec"))  # they work for picamera2's cameras
READABLE = frozenset(("BGR3", "GREY", "JPEG", "MJPG", "NV12", "NV21", "RGB3", "UYVY", "YU12", "YUYV", "YV12", "YVYU"))


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is the path of the device."""
    import cv2

    path = Path(address)
    capture = _open_v4l2(path, config)
    pixel_format = fourcc_name(capture.get(cv2.CAP_PROP_FOURCC))
    bad = 0
    try:
        while bad < BAD_FRAMES:
            with quiet_decoders():  # cheap cameras give a JPEG with a byte too many, many times a second
                good, image = capture.read()
            bad = 0 if good else bad + 1
            if good:
                image = np.asarray(image, dtype=np.uint8)
                yield RawFrame(image, time.monotonic(), time.time(), pixel_format=pixel_format)
            else:
                pause(BAD_FRAME_S)
        raise SourceError(f"{path}: the camera stopped giving frames; check its cable and power.")
    except cv2.error as error:
        raise SourceError(f"{path}: the camera gave a frame that cannot be decoded: {error.err}.") from error
    finally:
        capture.release()


def fourcc_name(value: float) -> str:
    """The name of a pixel format from OpenCV's number; empty if that is none."""
    raw = (int(value) & 0xFFFFFFFF).to_bytes(4, "little")
    return raw.decode() if re.fullmatch(rb"[\x21-\x7e]{3}[\x20-\x7e]", raw) else ""


def find(modes: bool) -> list[FoundCamera]:
    """The cameras that OpenCV can read, with their modes, and those that may not be opened."""
    nodes = sorted(DEVICES.glob("video[0-9]*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0))
    return [camera for node in nodes if (camera := _look_at(node)) is not None]


def _look_at(path: Path) -> FoundCamera | None:
    uri = f"v4l2://{path}"
    try:
        with open_driver(path) as driver:
            about = driver.describe()
            modes = tuple(mode for mode in driver.modes() if mode.pixel_format in READABLE)
    except OSError as error:
        return FoundCamera(uri, "unknown", problem=f"{path}: {why_not_opened(error)}.")
    if about is None or not about.captures or about.driver in NOT_CAMERAS or not modes:
        return None
    return FoundCamera(uri, about.name, _lasting_path(path), modes)


def _lasting_path(path: Path) -> str | None:
    """The link in /dev/v4l/by-id that leads to the device, else the one in by-path."""
    for folder in ("by-id", "by-path"):
        for link in sorted((path.parent / "v4l" / folder).glob("*")):
            if link.resolve() == path.resolve():
                return str(link)
    return None


def _open_v4l2(path: Path, config: CameraConfig) -> Any:
    import cv2

    if not path.is_char_device():
        raise SourceError(f"{path}: there is no such camera; `device cameras` shows those that are there.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: this user may not open it; run `sudo usermod -aG video $USER` and log in again.")
    pixel_format = _format_to_ask_for(path, config)
    silence_opencv_logs()
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise SourceError(
            f"{path}: this device gives no pictures, or another program uses it; `device cameras` shows the cameras."
        )
    if pixel_format is not None:  # first: it decides which sizes and rates there are
        capture.set(cv2.CAP_PROP_FOURCC, int.from_bytes(pixel_format.encode(), "little"))
    properties = (
        (cv2.CAP_PROP_FRAME_WIDTH, config.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
        (cv2.CAP_PROP_FPS, config.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1),  # an older frame is of no use
    )
    for key, value in properties:
        capture.set(key, value)
    return capture


def _format_to_ask_for(path: Path, config: CameraConfig) -> str | None:
    try:
        with open_driver(path) as driver:
            return choose_format(driver, config)
    except OSError:  # OpenCV will not open it either, and then there is a sentence
        return None


SOURCE = Source(open_frames, "v4l2:///dev/video0", module="cv2", find=find)
