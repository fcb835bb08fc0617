"""Steadies the box of a face before it is cut out: a detector's boxes jump by a few percent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from device.inference.box import Box

AGILITY = 3.0  # at a speed of one side a second, the time constant is a quarter
SPEED_S = 0.2  # time constant of the speed, so that the jumps themselves are none


@dataclass
class _Steadied:
    found: Box  # the latest one, as it was given
    box: Box
    time_s: float
    speed: tuple[float, float] = (0.0, 0.0)  # of the centre, x and y, in sides a second


class BoxSteadier:
    """An exponential filter of each track's box, whose time constant shrinks with its speed.

    It is `steady_s / (1 + 3 v)`, where v is the speed in sides a second: a face at rest is
    steadied, and the box of a face that moves stays on it. That is the idea of the 1 euro filter
    (Casiez et al. 2012, doi:10.1145/2207676.2208639).

    Args:
        steady_s: the time constant for a face at rest, seconds; 0 leaves boxes as they are.
    """

    def __init__(self, steady_s: float) -> None:
        self._steady_s = steady_s
        self._boxes: dict[int, _Steadied] = {}

    def steady(self, track_id: int, box: Box, time_s: float) -> Box:
        """The steadied box of a track; call it on each frame on which the face was seen.

        Args:
            track_id: whose box it is; a new id starts with its box.
            box: as it was found or moved.
            time_s: of the frame, seconds.
        """
        kept = self._boxes.setdefault(track_id, _Steadied(box, box, time_s))
        elapsed_s = time_s - kept.time_s
        if elapsed_s <= 0 or self._steady_s <= 0:
            kept.box = box
        else:
            kept.speed = _speed(kept, box, elapsed_s)
            share = -math.expm1(-elapsed_s * (1 + AGILITY * math.hypot(*kept.speed)) / self._steady_s)
            kept.box = Box(*(old + share * (new - old) for old, new in zip(kept.box, box, strict=True)))
        kept.found, kept.time_s = box, time_s
        return kept.box

    def forget(self, track_id: int) -> None:
        """Drop the state of a track that ended; an unknown id is ignored."""
        self._boxes.pop(track_id, None)


def _speed(before: _Steadied, box: Box, elapsed_s: float) -> tuple[float, float]:
    """The filtered speed after the centre's latest move."""
    share = -math.expm1(-elapsed_s / SPEED_S)
    moves = (
        box.x + box.width / 2 - before.found.x - before.found.width / 2,
        box.y + box.height / 2 - before.found.y - before.found.height / 2,
    )
    x, y = (
        old + share * (move / box.mean_side / elapsed_s - old) for old, move in zip(before.speed, moves, strict=True)
    )
    return (x, y)
