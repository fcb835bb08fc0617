"""What a subscriber hears of each track, from the observations of a clip."""

from __future__ import annotations

from dataclasses import dataclass, field

from device.messages import UNKNOWN
from device.vision.observation import Observation


@dataclass
class HeardTrack:
    """One track, from its start event to its end event."""

    id: int
    started_s: float
    emotion: str  # of the latest event
    first_label_s: float | None = None  # when its first label came; None: it was always unknown
    changes: int = 0  # of the label after the first one, to unknown too
    ended: bool = False
    held_s: dict[str, float] = field(default_factory=dict)  # by label

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return sum(self.held_s.values())

    @property
    def main_label(self) -> str:
        """The label that it had for most of its time."""
        return max(self.held_s, key=self.held_s.__getitem__, default=self.emotion)

    def hear(self, emotion: str, time_s: float) -> None:
        """Take in the label of an event."""
        if self.first_label_s is None:
            self.first_label_s = time_s if emotion != UNKNOWN else None
        else:
            self.changes += emotion != self.emotion
        self.emotion = emotion


class Subscriber:
    """Follows the events of one clip."""

    def __init__(self) -> None:
        self.tracks: dict[int, HeardTrack] = {}
        self.events = 0
        self.frames = 0
        self._last_s: float | None = None
        self._step_s = 0.0

    def observe(self, observation: Observation) -> None:
        """Take in one frame; frames must come in the order of their times."""
        time_s = observation.frame.time_s
        if self._last_s is not None:
            self._step_s = time_s - self._last_s
            self._hold()
        self._last_s = time_s
        self.events += len(observation.events)
        self.frames += 1
        for event in observation.events:
            if event.type == "start":
                self.tracks[event.track] = HeardTrack(event.track, time_s, UNKNOWN)
            if event.type in ("start", "update"):
                self.tracks[event.track].hear(event.emotion, time_s)
            elif event.type == "end":
                self.tracks[event.track].ended = True

    def finish(self) -> None:
        """After the last frame, which lasts as long as the one before it."""
        self._hold()

    def _hold(self) -> None:
        for track in self.tracks.values():
            if not track.ended:
                track.held_s[track.emotion] = track.held_s.get(track.emotion, 0.0) + self._step_s
