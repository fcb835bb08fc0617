"""Whose face is read next, where there is no time to read all: the new, the uncertain, the long unread."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from device.events import FaceReads
from device.tracker import Track

UNCERTAIN = 2.0  # a face of which nothing can be said waits as if for so many times as long
LATELY_S = 10.0  # what is told of the rate stands on this time


@dataclass
class _Face:
    since_s: float  # when it was read last, or came
    read: bool = False
    known: bool = False  # something can be said of it


class Turns:
    """The order in which faces are read, and how often each is.

    Every face is read sooner or later, because its urgency grows for as long as it waits. All times are the frames';
    `order` is asked on each.
    """

    def __init__(self) -> None:
        self._faces: dict[int, _Face] = {}
        self._waits: deque[tuple[float, float]] = deque()  # when a face was read, and how long it had waited

    def order(self, tracks: Sequence[Track], time_s: float) -> list[Track]:
        """The tracks of a frame that can be read, the most urgent first."""
        while self._waits and time_s - self._waits[0][0] > LATELY_S:
            self._waits.popleft()
        for track in tracks:
            self._faces.setdefault(track.id, _Face(time_s))
        return sorted(tracks, key=lambda track: (-self._urgency(self._faces[track.id], time_s), track.id))

    def read(self, track_id: int, time_s: float, known: bool) -> None:
        """Note that a face was read, and whether something can be said of it now."""
        self._waits.append((time_s, time_s - self._faces[track_id].since_s))
        self._faces[track_id] = _Face(time_s, True, known)

    def forget(self, track_id: int) -> None:
        """Drop what is known of a track that ended."""
        self._faces.pop(track_id, None)

    def figures(self) -> FaceReads | None:
        """How often a face was read lately; None where none was read twice."""
        waits = [wait_s for _, wait_s in self._waits if wait_s > 0]
        if not waits:
            return None
        return FaceReads(rate_hz=len(waits) / sum(waits), longest_wait_s=max(waits))

    def _urgency(self, face: _Face, time_s: float) -> float:
        if not face.read:
            return math.inf
        return (time_s - face.since_s) * (1.0 if face.known else UNCERTAIN)
