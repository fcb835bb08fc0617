"""The result of one frame: its faces, their expressions, and the events that it caused."""

from __future__ import annotations

from dataclasses import dataclass

from device.camera.frame import Frame
from device.messages import AttentionState, EmotionEvent, TrackState
from device.valence import Valence
from device.vision.smoother import Reading
from device.vision.tracker import Track


@dataclass(frozen=True)
class FaceReading:
    """A face on one frame, its expression, and its attention where that is measured."""

    track: Track
    reading: Reading
    attention: AttentionState | None = None


@dataclass(frozen=True, eq=False)
class Observation:
    """The result of one frame."""

    frame: Frame
    labels: tuple[str, ...]  # of the scores in the readings
    faces: list[FaceReading]  # confirmed, and seen on this frame
    events: list[EmotionEvent]  # ends, then starts and updates; without seq

    def states(self) -> list[TrackState]:
        """The state of each face that was seen, as it is published."""
        return [self._state(face) for face in self.faces]

    def _state(self, face: FaceReading) -> TrackState:
        scores = dict(zip(self.labels, face.reading.scores, strict=True))
        return TrackState(
            track=face.track.id,
            ts=self.frame.timestamp,
            emotion=face.reading.emotion,
            confidence=face.reading.confidence,
            scores=scores,
            box=face.track.box,
            valence=Valence.of(scores),
            attention=face.attention,
        )
