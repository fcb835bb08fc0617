"""Where to look: every part of the frame in turn, as many a frame as its time allows, at least one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.inference.box import Box
from device.vision.detection import Detection, Detector
from device.vision.tiling import Tile
from device.vision.time_budget import Budget

SHARE = 0.5  # of a frame's time, after which no further look begins


class ScanResult(NamedTuple):
    """What was found on a frame, and in which of its parts."""

    detections: list[Detection]
    parts: list[Tile]

    def covers(self, box: Box) -> bool:
        """Whether a face in that box was looked for."""
        return any(part.answers_for(box) for part in self.parts)


class TileScheduler:
    """Leads a detector round the frame.

    Args:
        detector: who looks.
        budget: how long it may.
    """

    def __init__(self, detector: Detector, budget: Budget) -> None:
        self._detector = detector
        self._budget = budget
        self._frame = 0
        self._looked_at: dict[Tile, int] = {}  # part -> number of the look
        self._looks = 0

    def look(self, image: NDArray[np.uint8], wanted: Sequence[Box]) -> ScanResult:
        """Find the faces of some parts of a frame, or of all where there is time.

        Args:
            image: see `Detector`.
            wanted: where a face must be confirmed, or was lost from sight.
        """
        height, width = image.shape[:2]
        self._frame += 1
        looked: list[Tile] = []
        queue = self._queue(self._detector.views(width, height), wanted)
        detections = self._detector.look(image, self._in_time(queue, looked))
        return ScanResult(detections, looked)

    def _queue(self, parts: Sequence[Tile], wanted: Sequence[Box]) -> list[Tile]:
        """The longest unseen first; where a face is wanted before these, but for the first on every other frame."""
        waiting = sorted(parts, key=lambda part: self._looked_at.get(part, 0))
        first = waiting[: self._frame % 2]
        urgent = [part for part in waiting if any(part.answers_for(box) for box in wanted)]
        return list(dict.fromkeys([*first, *urgent, *waiting]))

    def _in_time(self, queue: Iterable[Tile], looked: list[Tile]) -> Iterator[Tile]:
        """Parts of the queue until the time is up; at least one."""
        for part in queue:
            if looked and not self._budget.affords("look", SHARE):
                return
            looked.append(part)
            self._looks += 1
            self._looked_at[part] = self._looks
            with self._budget.spend("look"):  # while the detector has it
                yield part
