"""Opens the face detector that the settings name."""

from __future__ import annotations

import importlib

from device.config.schema import DetectorConfig
from device.vision import detectors
from device.vision.detection import Detector, DetectorFactory


def open_detector(config: DetectorConfig) -> Detector:
    """The detector that the settings name; every one frames a face alike.

    Raises:
        ModelError: its model file is absent or damaged.
    """
    factory: DetectorFactory = importlib.import_module(f"{detectors.__name__}.{config.kind}").DETECTOR
    return factory(config)
