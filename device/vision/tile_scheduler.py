"""When and where a frame is searched: all tiles in turn, some on a frame, as its time allows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.inference.box import Box
from device.vision.detection import Detection, Detector
from device.vision.tiling import Tile
from device.vision.time_budget import Budget

SHARE = 0.5  # of a frame's time; no further tile is started after it
ROUND_S = 0.8  # a search of all tiles takes at most so long, if time allows; a faster one would cost more
WHOLE_SHARE = 1 / 3  # of a round, after which the whole frame is searched again
FEW = 3  # tiles of one size that hold the frame between them, and are searched together


class ScanResult(NamedTuple):
    """The faces found on a frame, and the tiles that were searched."""

    detections: list[Detection]
    parts: list[Tile]

    def covers(self, box: Box) -> bool:
        """Whether a face in that box would have been found."""
        return any(part.covers(box) for part in self.parts)


class TileScheduler:
    """Runs a detector on some tiles of a frame, at least one; on some frames on none.

    Args:
        detector: finds faces in a tile.
        budget: the time of a frame.
        interval_s: shortest time between two searches while no place is wanted.
    """

    def __init__(self, detector: Detector, budget: Budget, interval_s: float = 0.0) -> None:
        self._detector = detector
        self._budget = budget
        self._interval_s = interval_s
        self._searched_s = -math.inf  # time of the last frame that was searched
        self._frame = 0
        self._searched_at: dict[Tile, int] = {}  # tile -> number of its last search
        self._searches = 0

    def look(self, image: NDArray[np.uint8], wanted: Sequence[Box], time_s: float = 0.0) -> ScanResult:
        """Find the faces in some tiles of a frame.

        Args:
            image: see `Detector`.
            wanted: where a face must be confirmed, or was lost.
            time_s: the frame's time, seconds.
        """
        elapsed_s = time_s - self._searched_s
        if not wanted and 0 <= elapsed_s < self._interval_s:
            return ScanResult([], [])
        self._searched_s = time_s
        height, width = image.shape[:2]
        self._frame += 1
        searched: list[Tile] = []
        queue = self._queue(self._detector.tiles(width, height), wanted, elapsed_s)
        detections = self._detector.look(image, self._in_time(queue, searched))
        return ScanResult(detections, searched)

    def _queue(self, parts: Sequence[Tile], wanted: Sequence[Box], elapsed_s: float) -> list[Tile]:
        """Wanted tiles, then some by age; every other frame starts with the oldest.

        Most faces are found in the whole frame, so it is searched about three times as often.
        """
        waiting = sorted(parts, key=lambda part: self._searched_at.get(part, 0))
        whole = _whole_frame(parts)
        if whole is not None and self._searches - self._searched_at.get(whole, -math.inf) >= WHOLE_SHARE * len(parts):
            waiting = [whole, *(part for part in waiting if part != whole)]
        first = waiting[: self._frame % 2]
        urgent = [part for part in waiting if any(part.covers(box) for box in wanted)]
        queue = list(dict.fromkeys([*first, *urgent, *waiting]))
        if self._budget.unlimited or not 0 <= elapsed_s < ROUND_S:
            return queue
        in_turn = math.ceil(len(parts) * elapsed_s / ROUND_S - 1e-9)  # not one more by rounding
        return queue[: len(urgent) + max(FEW if whole is None else 1, in_turn)]

    def _in_time(self, queue: Iterable[Tile], searched: list[Tile]) -> Iterator[Tile]:
        """Tiles of the queue until the time is used up; at least one."""
        for part in queue:
            if searched and not self._budget.affords("detect", SHARE):
                return
            searched.append(part)
            self._searches += 1
            self._searched_at[part] = self._searches
            with self._budget.spend("detect"):  # while the detector works on it
                yield part


def _whole_frame(parts: Sequence[Tile]) -> Tile | None:
    """The tile that is larger than all others, if there is one."""
    first, *others = sorted(parts, key=_size, reverse=True)
    return first if others and _size(first) > _size(others[0]) else None


def _size(part: Tile) -> float:
    return part.area.width * part.area.height
