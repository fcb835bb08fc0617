"""Which face is classified next if there is no time for all: new and uncertain ones first."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from device.messages import FaceReads
from device.vision.tracker import Track

UNCERTAIN = 2.0  # the wait of a face whose label is unknown counts so many times
WINDOW_S = 10.0  # time over which the rate is measured


@dataclass
class _Face:
    waited_s: float = 0.0  # in view, since it was classified last or came
    classified: bool = False
    known: bool = False  # its label is not "unknown"


class FaceScheduler:
    """The order in which faces are classified, and how often each one is.

    No face starves, because its urgency grows while it waits in view. All times are those of the
    frames; call `order` on each one.
    """

    def __init__(self) -> None:
        self._faces: dict[int, _Face] = {}
        self._in_view: set[int] = set()
        self._last_s = 0.0
        self._waits: deque[tuple[float, float]] = deque()  # when a face was classified, and its wait before

    def order(self, tracks: Sequence[Track], time_s: float) -> list[Track]:
        """The tracks of a frame that can be classified, the most urgent first."""
        while self._waits and time_s - self._waits[0][0] > WINDOW_S:
            self._waits.popleft()
        for track in tracks:
            face = self._faces.setdefault(track.id, _Face())
            face.waited_s += time_s - self._last_s if track.id in self._in_view else 0.0
        self._in_view, self._last_s = {track.id for track in tracks}, time_s
        return sorted(tracks, key=lambda track: (-_urgency(self._faces[track.id]), track.id))

    def classified(self, track_id: int, time_s: float, known: bool) -> None:
        """Record that a face was classified, and whether its label is known now."""
        self._waits.append((time_s, self._faces[track_id].waited_s))
        self._faces[track_id] = _Face(0.0, True, known)

    def forget(self, track_id: int) -> None:
        """Drop the state of a track that ended."""
        self._faces.pop(track_id, None)

    def figures(self) -> FaceReads | None:
        """How often a face was classified in the last seconds; None if none was twice."""
        waits = [wait_s for _, wait_s in self._waits if wait_s > 0]
        if not waits:
            return None
        return FaceReads(rate_hz=len(waits) / sum(waits), longest_wait_s=max(waits))


def _urgency(face: _Face) -> float:
    if not face.classified:
        return math.inf
    return face.waited_s * (1.0 if face.known else UNCERTAIN)
