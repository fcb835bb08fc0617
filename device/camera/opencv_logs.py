"""OpenCV's and FFmpeg's own messages on stderr."""

from __future__ import annotations

import os


def silence_opencv_logs() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr: a failure is reported as a SourceError."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, when the first video is opened
    # OpenCV 4.14 moved the function.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    set_level(0)
