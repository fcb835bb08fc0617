"""What one frame tells: the faces on it, how each reads, and the events it caused."""

from __future__ import annotations

from dataclasses import dataclass

from device.camera.frame import Frame
from device.messages import EmotionEvent, TrackState
from device.vision.smoother import Reading
from device.vision.tracker import Track


@dataclass(frozen=True)
class FaceReading:
    """A face on one frame, and how it reads."""

    track: Track
    reading: Reading


@dataclass(frozen=True, eq=False)
class Observation:
    """What one frame showed."""

    frame: Frame
    labels: tuple[str, ...]  # of the scores in the readings
    faces: list[FaceReading]  # confirmed, and seen on this frame
    events: list[EmotionEvent]  # ends, then starts and updates; without seq

    def states(self) -> list[TrackState]:
        """How each face that was seen reads, as it is said."""
        return [
            TrackState(
                track=face.track.id,
                ts=self.frame.timestamp,
                emotion=face.reading.emotion,
                confidence=face.reading.confidence,
                scores=dict(zip(self.labels, face.reading.scores, strict=True)),
                box=face.track.box,
            )
            for face in self.faces
        ]
