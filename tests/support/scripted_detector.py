"""Frames for a pipeline in a test, and a detector that follows a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.inference.box import Box
from device.messages import EmotionEvent
from device.vision.detection import Detection
from device.vision.observation import Observation
from device.vision.pipeline import Pipeline
from device.vision.tiling import Tile, tiles
from tests.support.clips import Image

FPS = 10.0


def frames_from(images: Iterable[Image]) -> Iterator[Frame]:
    """Frames at FPS."""
    for n, image in enumerate(images):
        yield Frame(image, n, n / FPS, 1_800_000_000 + n / FPS)


def play(pipeline: Pipeline, images: Iterable[Image]) -> list[Observation]:
    """The observation of each image."""
    return [pipeline.process(frame) for frame in frames_from(images)]


def events_of(observations: Iterable[Observation]) -> list[EmotionEvent]:
    """All events of these observations."""
    return [event for seen in observations for event in seen.events]


class ScriptedDetector:
    """A detector that returns the next boxes of a script on each frame."""

    def __init__(self, script: Iterable[list[Box]]) -> None:
        self._script = iter(script)

    def tiles(self, width: int, height: int) -> list[Tile]:
        return tiles(width, height, "whole", 0)

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        return [found for _ in parts for found in self.detect(image)]

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        return [Detection(box, 0.9) for box in next(self._script)]
