"""Numbers that go on when another session follows in the same process."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from device.messages import EmotionEvent
from device.vision.observation import FaceReading, Observation


class Numbering:
    """Gives each track an id of its own over all sessions: each pipeline counts from 1 again.

    Attributes:
        seq: of the events printed as JSON lines; over MQTT the outbox numbers them.
    """

    def __init__(self) -> None:
        self.seq: Iterator[int] = itertools.count(1)
        self._before = 0  # the last track id of the sessions before
        self._last = 0  # the last one given

    def begin_session(self) -> None:
        """The next pipeline counts its tracks from 1."""
        self._before = self._last

    def observation(self, seen: Observation) -> Observation:
        """The pipeline's observation with these ids."""
        faces = [self._face(face) for face in seen.faces]
        return dataclasses.replace(seen, faces=faces, events=self.events(seen.events))

    def events(self, events: Sequence[EmotionEvent]) -> list[EmotionEvent]:
        """The pipeline's events with these ids."""
        return [dataclasses.replace(event, track=self._id(event.track)) for event in events]

    def _face(self, face: FaceReading) -> FaceReading:
        return dataclasses.replace(face, track=dataclasses.replace(face.track, id=self._id(face.track.id)))

    def _id(self, track: int) -> int:
        self._last = max(self._last, self._before + track)
        return self._before + track
