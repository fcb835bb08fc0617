"""OpenCV's and FFmpeg's own messages on stderr."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from device.standard_streams import filtered_stderr

# How the messages of the libraries begin that decode pictures, and have no setting against it.
DECODERS = (b"libpng ", b"Corrupt JPEG data", b"Premature end of JPEG", b"Invalid SOS", b"Unsupported marker")


def silence_opencv_logs() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr: a failure is reported as a SourceError."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, when the first video is opened
    # OpenCV 4.14 moved the function.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    set_level(0)


def quiet_decoders() -> AbstractContextManager[None]:
    """Drop what libpng and libjpeg write to stderr inside; a damaged picture is a SourceError."""
    return filtered_stderr(lambda line: not line.startswith(DECODERS))
