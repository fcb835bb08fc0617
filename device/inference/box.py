"""A rectangle in the pixels of a frame, and the overlap of many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A rectangle in a frame, in pixels; it may extend beyond the frame's edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def mean_side(self) -> float:
        """Side of the square of the same area, pixels."""
        return float(self.area**0.5)

    def enlarged(self, share: float) -> Box:
        """The same centre; `share` of the width and height is added on each side."""
        dx, dy = share * self.width, share * self.height
        return Box(self.x - dx, self.y - dy, self.width + 2 * dx, self.height + 2 * dy)

    def iou(self, other: Box) -> float:
        """Intersection over union, in [0, 1]."""
        return float(iou_matrix([self], [other])[0, 0])


Boxes = Sequence[Box] | NDArray[np.float64]  # an array is (N, 4): x, y, width, height in pixels


def overlap_matrix(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Area that each box shares with each other one, (N, M), square pixels."""
    a, b = _array(boxes), _array(others)
    starts = np.maximum(a[:, np.newaxis, :2], b[np.newaxis, :, :2])
    ends = np.minimum((a[:, :2] + a[:, 2:])[:, np.newaxis], (b[:, :2] + b[:, 2:])[np.newaxis])
    return np.asarray(np.clip(ends - starts, 0, None).prod(axis=2), dtype=np.float64)


def iou_matrix(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each box with each other one, (N, M), in [0, 1]."""
    shared = overlap_matrix(boxes, others)
    union = _array(boxes)[:, 2:].prod(axis=1)[:, np.newaxis] + _array(others)[:, 2:].prod(axis=1) - shared
    ious: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ious


def _array(boxes: Boxes) -> NDArray[np.float64]:
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
