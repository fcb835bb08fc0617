"""What a detector returns, and the interface of every detector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig
from device.inference.box import Box, iou_matrix, overlap_matrix
from device.vision.tiling import Tile

SAME_FACE_IOU = 0.3  # MediaPipe's min_suppression_threshold
INSIDE = 0.7  # share of a box inside a better one: a part of the same face, from a tile that cut it


class Detection(NamedTuple):
    """A face: its box in pixels of the frame, and a score in [0, 1]."""

    box: Box
    score: float


class Detector(Protocol):
    """Finds faces."""

    def tiles(self, width: int, height: int) -> Sequence[Tile]:
        """The tiles in which a frame of that size is searched."""

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        """The faces in some tiles of a frame, the largest first.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            parts: some of its `tiles`; each is searched before the next is taken.
        """

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of the whole frame, the largest first."""


DetectorFactory = Callable[[DetectorConfig], Detector]


def keep_largest(detections: list[Detection], config: DetectorConfig) -> list[Detection]:
    """The detections of at least `min_face_px`, the largest first, at most `max_faces`."""
    large = [d for d in detections if d.box.mean_side >= config.min_face_px]
    return sorted(large, key=lambda d: (-d.box.area, -d.score, d.box))[: config.max_faces]


def merge(found: NDArray[np.float64]) -> list[Detection]:
    """One detection a face: MediaPipe's weighted non-maximum suppression.

    Boxes that overlap are averaged, weighted by their scores. A box that lies mostly inside a
    better one is a part of that face and is dropped.

    Args:
        found: (n, 5): x, y, width, height in pixels, score above 0.
    """
    left = found[np.lexsort((*found[:, :4].T, -found[:, 4]))]  # best first; ties have a fixed order too
    merged = []
    while len(left):
        same = iou_matrix(left[:, :4], left[:1, :4])[:, 0] >= SAME_FACE_IOU
        inside = overlap_matrix(left[:, :4], left[:1, :4])[:, 0] >= INSIDE * left[:, 2] * left[:, 3]
        box = left[same, 4] @ left[same, :4] / left[same, 4].sum()
        merged.append(Detection(Box(*map(float, box)), float(left[0, 4])))
        left = left[~same & ~inside]
    return merged


def accepted(found: NDArray[np.float64], part: Tile) -> NDArray[np.float64]:
    """The detections of a tile that it is not to leave to another tile."""
    return found[[part.accepts(Box(*row[:4])) for row in found]] if len(found) else found
