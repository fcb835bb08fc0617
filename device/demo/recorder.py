"""What the demo remembers of its film: how every frame read, and the frame that shows most."""

from __future__ import annotations

from device.demo.poster import Face, Moment, RawFrame
from device.messages import UNKNOWN
from device.vision.observation import Observation


class Film:
    """Looks on while the service works."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.shot: RawFrame | None = None  # the large and confident one
        self.began = 0.0  # UNIX seconds
        self._best = -1.0

    def watch(self, seen: Observation) -> None:
        """Take one frame in."""
        self.began = seen.frame.timestamp - seen.frame.time_s
        faces = [
            Face(state.track, face.track.box, state.emotion, state.confidence, state.scores)
            for face, state in zip(seen.faces, seen.states(), strict=True)
        ]
        self.moments.append(Moment(seen.frame.time_s, faces[0].emotion if faces else None))
        worth = max((_worth(face) for face in faces), default=-1.0)
        if worth > self._best:
            self._best, self.shot = worth, RawFrame(seen.frame.image, faces)


def _worth(face: Face) -> float:
    """Large, confident faces are worth showing; unknown ones only for want of better."""
    return face.box.area * (face.confidence if face.emotion != UNKNOWN else 0.001)
