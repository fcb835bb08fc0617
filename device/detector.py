"""Faces in a frame: BlazeFace through LiteRT, or OpenCV's Haar cascade. All frame a face alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from device.blazeface import MAKES, BlazeFace
from device.config import DetectorConfig
from device.errors import ModelError
from device.preprocess import Box, to_bgr, to_grey
from device.views import View, views

SAME_FACE_IOU = 0.3  # MediaPipe's min_suppression_threshold
INSIDE = 0.7  # of a box's area inside a better one: a part of the same face, seen by a view that cut it

# FER2013's crops, pasted into frames, 160-240 px, n = 400: Haar's box has .95 of the crop's side and its centre at .497
# of the crop's height, BlazeFace's .845 and .586. One crop margin in the card serves both after this correction.
HAAR_SCALE = 0.845 / 0.95
HAAR_DOWN = (0.586 - 0.497) / 0.95


class Detection(NamedTuple):
    """A face: its box in pixels of the frame, and a score in [0, 1]."""

    box: Box
    score: float


class Detector(Protocol):
    """Finds faces."""

    def views(self, width: int, height: int) -> Sequence[View]:
        """The parts in which a frame of that size is looked at."""

    def look(self, image: NDArray[np.uint8], parts: Iterable[View]) -> list[Detection]:
        """The faces that some views of a frame show, the largest first.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            parts: of its `views`; each is looked at before the next is asked for.
        """

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of the whole frame, the largest first."""


def open_detector(config: DetectorConfig) -> Detector:
    """The detector that the settings name.

    Raises:
        ModelError: its model file is absent or damaged.
    """
    return HaarDetector(config) if config.kind == "haar" else BlazeFaceDetector(config)


class BlazeFaceDetector:
    """BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047), as in MediaPipe: short-range (`near`) or full (`room`).

    The networks see 128x128 and 192x192 pixels, so a small face is found only if its part of the frame is shown alone;
    docs/room.md says which faces each view finds, and what it costs.

    Raises:
        ModelError: the vendored file is damaged, or LiteRT is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._network = BlazeFace(MAKES[config.range])

    def views(self, width: int, height: int) -> Sequence[View]:
        """See `Detector`."""
        return views(width, height, self._config.view, self._config.tile_px)

    def look(self, image: NDArray[np.uint8], parts: Iterable[View]) -> list[Detection]:
        """See `Detector`."""
        bgr = to_bgr(image)
        seen = [_own(self._network.look(bgr, part.square, self._config.min_score), part) for part in parts]
        return _keep(merge(np.concatenate(seen)), self._config) if seen else []

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        height, width = image.shape[:2]
        return self.look(image, self.views(width, height))


class HaarDetector:
    """OpenCV's frontal-face cascade (Viola & Jones 2001); its boxes brought to BlazeFace's framing. All score 1.

    Raises:
        ModelError: this OpenCV came without the cascade's file.
    """

    def __init__(self, config: DetectorConfig) -> None:
        import cv2

        self._config = config
        path = _haar_file()
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path}: OpenCV cannot load this cascade; install opencv-python-headless below 5.")

    def views(self, width: int, height: int) -> Sequence[View]:
        """One, the whole frame: the cascade finds its own way."""
        return views(width, height, "whole", 0)

    def look(self, image: NDArray[np.uint8], parts: Iterable[View]) -> list[Detection]:
        """See `Detector`."""
        return [found for _ in parts for found in self.detect(image)]

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        grey = to_grey(image)
        if min(grey.shape) < self._config.min_face_px:
            return []
        smallest = (self._config.min_face_px,) * 2
        boxes = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=smallest)
        return _keep([Detection(_as_blazeface(*map(float, box)), 1.0) for box in boxes], self._config)


def merge(found: NDArray[np.float64]) -> list[Detection]:
    """One detection a face: boxes that overlap are averaged, weighted by their scores (MediaPipe's weighted NMS).

    A box that lies mostly inside a better one is a part of that face and is dropped.

    Args:
        found: (n, 5): x, y, width, height in pixels, score above 0.
    """
    left = found[np.lexsort((*found[:, :4].T, -found[:, 4]))]  # best first; the order of equals is settled too
    merged = []
    while len(left):
        shared, areas = _overlaps(left), left[:, 2] * left[:, 3]
        same = shared >= SAME_FACE_IOU * (areas[0] + areas - shared)
        box = left[same, 4] @ left[same, :4] / left[same, 4].sum()
        merged.append(Detection(Box(*map(float, box)), float(left[0, 4])))
        left = left[~same & (shared < INSIDE * areas)]
    return merged


def _own(found: NDArray[np.float64], part: View) -> NDArray[np.float64]:
    """What a view found and believes."""
    return found[[part.believes(Box(*row[:4])) for row in found]] if len(found) else found


def _overlaps(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that each box shares with the first, (n,), square pixels."""
    starts, ends = boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]
    sides = np.minimum(ends, ends[0]) - np.maximum(starts, starts[0])
    return np.asarray(np.prod(np.clip(sides, 0, None), axis=1), dtype=np.float64)


def _keep(detections: list[Detection], config: DetectorConfig) -> list[Detection]:
    """Those large enough, the largest first, at most `max_faces`."""
    large = [d for d in detections if d.box.mean_side >= config.min_face_px]
    return sorted(large, key=lambda d: (-d.box.area, -d.score, d.box))[: config.max_faces]


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
    raise ModelError(f"{paths[0]}: OpenCV's face cascade is not there; install opencv-python-headless below version 5.")
