"""Faces in a frame: BlazeFace through LiteRT, or OpenCV's Haar cascade. All frame a face alike."""

from __future__ import annotations

from device.config.schema import DetectorConfig
from device.vision.blazeface import BlazeFaceDetector
from device.vision.detection import Detector
from device.vision.haar import HaarDetector


def open_detector(config: DetectorConfig) -> Detector:
    """The detector that the settings name.

    Raises:
        ModelError: its model file is absent or damaged.
    """
    return HaarDetector(config) if config.kind == "haar" else BlazeFaceDetector(config)
