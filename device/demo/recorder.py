"""Records what the poster of the demo needs: every frame's label, and the best frame."""

from __future__ import annotations

from device.demo.poster import AnnotatedFrame, Face, FrameLabel
from device.messages import UNKNOWN
from device.vision.observation import Observation


class Recorder:
    """Collects observations while the service runs."""

    def __init__(self) -> None:
        self.labels: list[FrameLabel] = []
        self.best_frame: AnnotatedFrame | None = None  # the one with the largest, most certain face
        self.clip_started = 0.0  # UNIX seconds
        self._best_score = -1.0

    def add(self, observation: Observation) -> None:
        """Record one frame."""
        frame = observation.frame
        self.clip_started = frame.timestamp - frame.time_s
        faces = [
            Face(state.track, face.track.box, state.emotion, state.confidence, state.scores)
            for face, state in zip(observation.faces, observation.states(), strict=True)
        ]
        self.labels.append(FrameLabel(frame.time_s, faces[0].emotion if faces else None))
        score = max((_score(face) for face in faces), default=-1.0)
        if score > self._best_score:
            self._best_score, self.best_frame = score, AnnotatedFrame(frame.image, faces)


def _score(face: Face) -> float:
    """Prefers large faces with a confident label.

    An unknown face is used only if nothing else is there.
    """
    return face.box.area * (face.confidence if face.emotion != UNKNOWN else 0.001)
