"""Whose face is read next, where there is no time to read all: the new, the uncertain, the long unread."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from device.messages import FaceReads
from device.vision.tracker import Track

UNCERTAIN = 2.0  # a face of which nothing can be said waits as if for so many times as long
LATELY_S = 10.0  # what is told of the rate stands on this time


@dataclass
class _Face:
    waited_s: float = 0.0  # in view, since it was read last or came
    read: bool = False
    known: bool = False  # something can be said of it


class FaceScheduler:
    """The order in which faces are read, and how often each is.

    Every face is read sooner or later, because its urgency grows for as long as it waits in view. All times are the
    frames'; `order` is asked on each.
    """

    def __init__(self) -> None:
        self._faces: dict[int, _Face] = {}
        self._in_view: set[int] = set()
        self._last_s = 0.0
        self._waits: deque[tuple[float, float]] = deque()  # when a face was read, and how long it had waited

    def order(self, tracks: Sequence[Track], time_s: float) -> list[Track]:
        """The tracks of a frame that can be read, the most urgent first."""
        while self._waits and time_s - self._waits[0][0] > LATELY_S:
            self._waits.popleft()
        for track in tracks:
            face = self._faces.setdefault(track.id, _Face())
            face.waited_s += time_s - self._last_s if track.id in self._in_view else 0.0
        self._in_view, self._last_s = {track.id for track in tracks}, time_s
        return sorted(tracks, key=lambda track: (-_urgency(self._faces[track.id]), track.id))

    def read(self, track_id: int, time_s: float, known: bool) -> None:
        """Note that a face was read, and whether something can be said of it now."""
        self._waits.append((time_s, self._faces[track_id].waited_s))
        self._faces[track_id] = _Face(0.0, True, known)

    def forget(self, track_id: int) -> None:
        """Drop what is known of a track that ended."""
        self._faces.pop(track_id, None)

    def figures(self) -> FaceReads | None:
        """How often a face was read lately; None where none was read twice."""
        waits = [wait_s for _, wait_s in self._waits if wait_s > 0]
        if not waits:
            return None
        return FaceReads(rate_hz=len(waits) / sum(waits), longest_wait_s=max(waits))


def _urgency(face: _Face) -> float:
    if not face.read:
        return math.inf
    return face.waited_s * (1.0 if face.known else UNCERTAIN)
