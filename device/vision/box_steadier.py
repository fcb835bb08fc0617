"""Steadies the box of a face before it is cut out: a detector's boxes jump by a few percent."""

from __future__ import annotations

import math

from device.inference.box import Box

AGILITY = 3.0  # at a speed of one side a second, the time constant is a quarter


class BoxSteadier:
    """An exponential filter of each track's box, whose time constant shrinks with its speed.

    It is `steady_s / (1 + 3 v)`, where v is the speed in sides a second: a face at rest is
    steadied, and the box of a face that moves stays on it. The idea of the 1 euro filter
    (Casiez et al. 2012, doi:10.1145/2207676.2208639), with time constants.

    Args:
        steady_s: the time constant of a face at rest, seconds; 0 leaves boxes as they are.
    """

    def __init__(self, steady_s: float) -> None:
        self._steady_s = steady_s
        self._boxes: dict[int, tuple[Box, Box, float]] = {}  # track -> raw, steadied, time

    def steady(self, track_id: int, box: Box, time_s: float) -> Box:
        """The steadied box of a track; call it on each frame on which the face was seen.

        Args:
            track_id: whose box it is; a new id starts with its box.
            box: as it was found or moved.
            time_s: of the frame, seconds.
        """
        raw, steadied, then_s = self._boxes.get(track_id, (box, box, time_s))
        elapsed_s = time_s - then_s
        if elapsed_s > 0 and self._steady_s > 0:
            share = -math.expm1(-elapsed_s * (1 + AGILITY * _speed(raw, box, elapsed_s)) / self._steady_s)
            steadied = Box(*(old + share * (new - old) for old, new in zip(steadied, box, strict=True)))
        else:
            steadied = box
        self._boxes[track_id] = (box, steadied, time_s)
        return steadied

    def forget(self, track_id: int) -> None:
        """Drop the state of a track that ended; an unknown id is ignored."""
        self._boxes.pop(track_id, None)


def _speed(before: Box, after: Box, elapsed_s: float) -> float:
    """Of the centre, in sides a second."""
    x = after.x + after.width / 2 - before.x - before.width / 2
    y = after.y + after.height / 2 - before.y - before.height / 2
    return math.hypot(x, y) / after.mean_side / elapsed_s
