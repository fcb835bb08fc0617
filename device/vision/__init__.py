"""Turns a frame into an observation: detect, track, classify, smooth."""

from device.vision.detection import Detector
from device.vision.detector import open_detector
from device.vision.observation import Observation
from device.vision.pipeline import Pipeline, from_config
from device.vision.smoother import make_smoother

__all__ = [
    "Detector",
    "Observation",
    "Pipeline",
    "from_config",
    "make_smoother",
    "open_detector",
]
