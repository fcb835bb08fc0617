"""OpenCV's Haar cascade as a face detector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig
from device.errors import ModelError
from device.inference.box import Box
from device.inference.preprocess import to_grey
from device.vision.detection import Detection, DetectorFactory, keep_largest
from device.vision.tiling import Tile, tiles

# Measured on FER2013's crops, pasted into frames, 160-240 px, n = 400: Haar's box has .95 of the
# crop's side and its centre at .497 of the crop's height, BlazeFace's .845 and .586. After this
# correction one crop margin in the card fits both.
HAAR_SCALE = 0.845 / 0.95
HAAR_DOWN = (0.586 - 0.497) / 0.95


class HaarDetector:
    """OpenCV's frontal-face cascade (Viola & Jones 2001).

    Its boxes are corrected to BlazeFace's framing; all score 1.

    Raises:
        ModelError: this OpenCV has no file of the cascade.
    """

    def __init__(self, config: DetectorConfig) -> None:
        import cv2

        self._config = config
        path = _haar_file()
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path}: OpenCV cannot load this cascade; install opencv-python-headless below 5.")

    def tiles(self, width: int, height: int) -> Sequence[Tile]:
        """One, the whole frame: the cascade searches all positions and sizes itself."""
        return tiles(width, height, "whole", 0)

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        """See `Detector`."""
        return [found for _ in parts for found in self.detect(image)]

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        grey = to_grey(image)
        if min(grey.shape) < self._config.min_face_px:
            return []
        smallest = (self._config.min_face_px,) * 2
        boxes = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=smallest)
        return keep_largest([Detection(_as_blazeface(*map(float, box)), 1.0) for box in boxes], self._config)


def _as_blazeface(x: float, y: float, width: float, height: float) -> Box:
    side = width * HAAR_SCALE
    return Box(x + (width - side) / 2, y + (height - side) / 2 + HAAR_DOWN * height, side, side)


def _haar_file() -> Path:
    """The cascade's file: inside the wheel, or where Debian's opencv-data puts it."""
    import cv2

    folders = [Path(cv2.data.haarcascades)] if hasattr(cv2, "data") else []
    folders.append(Path("/usr/share/opencv4/haarcascades"))
    paths = [folder / "haarcascade_frontalface_default.xml" for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    raise ModelError(f"{paths[0]}: OpenCV's face cascade is missing; install opencv-python-headless below version 5.")


DETECTOR: DetectorFactory = HaarDetector
