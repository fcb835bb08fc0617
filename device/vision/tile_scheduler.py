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
FEW = 5  # tiles that one search in `interval_s` is enough for; of more the searches follow sooner


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
        interval_s: shortest time between two searches while no place is wanted; with more than
            `FEW` tiles it is shorter in proportion.
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
        height, width = image.shape[:2]
        parts = self._detector.tiles(width, height)
        elapsed_s = time_s - self._searched_s
        if not wanted and 0 <= elapsed_s < self._interval_s * min(1.0, FEW / len(parts)):
            return ScanResult([], [])
        self._searched_s = time_s
        self._frame += 1
        searched: list[Tile] = []
        queue = self._queue(parts, wanted, elapsed_s)
        detections = self._detector.look(image, self._in_time(queue, searched))
        return ScanResult(detections, searched)

    def _queue(self, parts: Sequence[Tile], wanted: Sequence[Box], elapsed_s: float) -> list[Tile]:
        """Wanted tiles, then some in turn; every other frame starts with one in turn."""
        turn = self._in_turn(parts)
        first = turn[: self._frame % 2]
        places = [*wanted, *(place for box in wanted for place in _neighbours(box))]
        urgent = sorted((part for part in parts if any(map(part.covers, places))), key=self._last_search)
        queue = list(dict.fromkeys([*first, *urgent, *turn]))
        if self._budget.unlimited or not 0 <= elapsed_s < ROUND_S:
            return queue
        return queue[: len(urgent) + max(1, math.ceil(len(parts) * elapsed_s / ROUND_S - 1e-9))]

    def _in_turn(self, parts: Sequence[Tile]) -> list[Tile]:
        """The oldest search first; if one tile holds the whole frame, that one every other time."""
        turn = sorted(parts, key=self._last_search)
        largest = max(parts, key=_size)
        alone = sum(_size(part) == _size(largest) for part in parts) == 1
        if alone and turn[-1] != largest:  # not the last one searched
            turn.remove(largest)
            turn.insert(0, largest)
        return turn

    def _last_search(self, part: Tile) -> int:
        return self._searched_at.get(part, 0)

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


def _size(part: Tile) -> float:
    return part.area.width * part.area.height


def _neighbours(box: Box) -> list[Box]:
    """Where a face in this box may be next."""
    steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
    return [box._replace(x=box.x + x * box.width, y=box.y + y * box.height) for x, y in steps]
