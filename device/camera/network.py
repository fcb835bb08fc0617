"""Network cameras (RTSP, and MJPEG over HTTP), through OpenCV's FFmpeg.

A user and password come from files or systemd, are read at each opening, in the worker process, and
are in no address that is logged, reported or passed to a process.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Generator
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import numpy as np

from device.camera.frame import RawFrame
from device.camera.opencv_logs import silence_opencv_logs
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig
from device.config.source_address import without_user
from device.errors import ConfigError, SourceError
from device.host.credentials import first_line

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
IN_TIME = 0.8  # of `timeout_s`: then the reason is known before the agent gives up


def network_source(scheme: str) -> Source:
    """The source of one scheme."""
    example = f"{scheme}://camera.local/stream"
    # A video codec may repeat a dark scene pixel for pixel; each JPEG has the sensor's noise.
    return Source(open_frames, example, module="cv2", adjustable=False, noisy=scheme.startswith("http"))


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is what follows `://`."""
    import cv2

    shown = without_user(config.source)
    capture = _open_stream(config, shown)
    try:
        while True:
            good, image = capture.read()
            if not good:
                raise SourceError(f"{shown}: the camera stopped sending; check its power and the network.")
            yield RawFrame(np.asarray(image, dtype=np.uint8), time.monotonic(), time.time())
    except cv2.error as error:
        raise SourceError(f"{shown}: the camera sent a frame that cannot be decoded: {error.err}.") from error
    finally:
        capture.release()


def _open_stream(config: CameraConfig, shown: str) -> Any:
    import cv2

    url = _split(shown)
    user = _user(config, shown)
    limit_s = IN_TIME * config.timeout_s
    _check_reachable(url, limit_s, shown)
    silence_opencv_logs()
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(limit_s * 1000), cv2.CAP_PROP_READ_TIMEOUT_MSEC]
    capture = cv2.VideoCapture(url._replace(netloc=user + url.netloc).geturl(), cv2.CAP_FFMPEG, [*limits, limits[1]])
    if not capture.isOpened():
        access = "user and password" if user else "whether it needs a user and password (device.camera.username_file)"
        raise SourceError(f"{shown}: the camera answers, but sends no video; check the path and {access}.")
    return capture


def _split(shown: str) -> SplitResult:
    try:
        url = urlsplit(shown)
        good = bool(url.hostname) and url.port != 0
    except ValueError:  # the port is no number
        good = False
    if not good:
        raise SourceError(f"{shown}: this is no address of a camera; write rtsp://HOST:PORT/PATH.")
    return url


def _user(config: CameraConfig, shown: str) -> str:
    """`user:password@` for the address, or nothing."""
    try:
        name = first_line("device.camera.username_file", config.username_file, "camera-username")
        password = first_line("device.camera.password_file", config.password_file, "camera-password")
    except ConfigError as error:
        raise SourceError(str(error)) from error
    if name is None and password is not None:
        raise SourceError(f"{shown}: there is a password but no user name; set device.camera.username_file too.")
    return "" if name is None else f"{quote(name, safe='')}:{quote(password or '', safe='')}@"


def _check_reachable(url: SplitResult, limit_s: float, shown: str) -> None:
    """Connect once, because FFmpeg does not say why it cannot."""
    assert url.hostname is not None
    port = url.port or PORTS[url.scheme]
    try:
        socket.create_connection((url.hostname, port), limit_s).close()
    except socket.gaierror as error:
        raise SourceError(f"{shown}: there is no host of this name; check the address and the network.") from error
    except OSError as error:
        reason = error.strerror or "no answer"
        raise SourceError(
            f"{shown}: port {port} of the camera cannot be reached: {reason}; check its power, address and network."
        ) from error
