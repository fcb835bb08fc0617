"""Moves boxes from the frame before to this one, without a detector: sparse optical flow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from device.inference.box import Box

SHORT_SIDE = 540  # frames are scaled down to about this; docs/room.md has the cost for 30 faces
GRID = 3  # points along each side of a face
WINDOW = (9, 9)  # pixels around a point that are compared
LEVELS = 2  # at a half and a quarter of the size too, so that fast faces are followed
MAX_ERROR = 0.15  # of the face's side: how far from its start a point may return
FAR = np.float32(1e6)  # position of a point that was not found
MIN_POINTS = 5  # of a face's nine; with fewer valid ones the face is lost


class FlowTracker:
    """Moves boxes by Lucas-Kanade flow with a forward-backward check (Kalal et al. 2010).

    It keeps a scaled-down copy of the frame before, and no state of any face.
    """

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None
        self._now: NDArray[np.uint8] | None = None
        self._size = (0, 0)  # of the frame now: height, width
        self._scale = 1

    def add_frame(self, grey: NDArray[np.uint8]) -> None:
        """Take the next frame, uint8 (H, W)."""
        import cv2

        self._size = grey.shape
        self._scale = max(1, round(min(grey.shape) / SHORT_SIDE))
        size = (max(1, grey.shape[1] // self._scale), max(1, grey.shape[0] // self._scale))
        self._before = self._now
        self._now = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)

    def follow(self, boxes: Sequence[Box]) -> list[Box | None]:
        """Where each box of the frame before is now; None where that is unknown."""
        if not boxes or self._before is None or self._now is None or self._before.shape != self._now.shape:
            return [None] * len(boxes)
        points = np.stack([_points(box) for box in boxes]) / np.float32(self._scale)  # (N, P, 2)
        there = _flow(self._before, self._now, points)
        back = _flow(self._now, self._before, there)
        moves = (there - points) * self._scale
        errors = np.linalg.norm(back - points, axis=2) * self._scale  # (N, P)
        moved = [_moved(*each) for each in zip(boxes, moves, errors, strict=True)]
        return [box if box is not None and self._in_frame(box) else None for box in moved]

    def _in_frame(self, box: Box) -> bool:
        """Whether the box's centre lies in the frame."""
        height, width = self._size
        return 0 <= box.x + box.width / 2 < width and 0 <= box.y + box.height / 2 < height


def _moved(box: Box, moves: NDArray[np.float32], errors: NDArray[np.float32]) -> Box | None:
    """A box moved by the median of the valid moves; None if these are too few."""
    valid = moves[errors <= MAX_ERROR * box.mean_side]
    if len(valid) < MIN_POINTS:
        return None
    x, y = np.median(valid, axis=0)
    return box._replace(x=box.x + float(x), y=box.y + float(y))


def _points(box: Box) -> NDArray[np.float32]:
    """A grid of points inside a box, (GRID * GRID, 2) as x, y."""
    steps = np.arange(1, GRID + 1, dtype=np.float32) / (GRID + 1)
    x, y = np.meshgrid(box.x + steps * box.width, box.y + steps * box.height)
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _flow(one: NDArray[np.uint8], other: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where the points of one image are in the other, (N, P, 2); FAR where not found."""
    import cv2

    flat = np.ascontiguousarray(points, np.float32).reshape(-1, 1, 2)
    given = cv2.calcOpticalFlowPyrLK(one, other, flat, np.empty_like(flat), winSize=WINDOW, maxLevel=LEVELS)
    moved, found = np.array(given[0], np.float32), np.asarray(given[1])
    moved[found[:, 0] == 0] = FAR
    return moved.reshape(points.shape)
