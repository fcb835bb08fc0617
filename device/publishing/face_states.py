"""What stands at the broker about the faces that are here: each one's state, and everybody taken together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence

from device.config import usage_policy
from device.config.schema import DeviceConfig, ReportConfig
from device.messages import UNKNOWN, Summary, TrackState
from device.mqtt.topics import SUMMARY, TRACK_STATE, Message, Topics


class FaceStatePublisher:
    """Turns what is seen into the messages that are due; knows nothing of connections.

    Args:
        topics: where the messages go.
        labels: what the network can say.
        config: how often.
    """

    def __init__(self, topics: Topics, labels: Sequence[str], config: ReportConfig) -> None:
        self._topics = topics
        self._labels = tuple(labels)
        self._config = config
        self._faces: dict[int, TrackState] = {}
        self._said: dict[int, tuple[str, float]] = {}  # track -> the emotion last said, and when
        self._summary_due_s = 0.0

    def observe(self, faces: Sequence[TrackState], ended: Collection[int], now_s: float) -> list[Message]:
        """Take in one frame.

        Args:
            faces: who was seen on it.
            ended: tracks that ended with it.
            now_s: monotonic seconds.

        Returns:
            states that changed or would soon expire, cleared ones, and the summary if it is due.
        """
        before = len(self._faces)
        messages = [self._cleared(track) for track in ended if self._faces.pop(track, None) is not None]
        self._faces.update({face.track: face for face in faces})
        messages += [self._state(face, now_s) for face in faces if self._is_news(face, now_s)]
        left = before > 0 and not self._faces
        if left or (self._faces and now_s >= self._summary_due_s):
            messages.append(self.summary())
            late_s = now_s - self._summary_due_s  # by a part of a frame, which must not add up; or nobody was here
            self._summary_due_s = (
                now_s + self._config.summary_s - (late_s if 0 <= late_s < self._config.summary_s else 0)
            )
        return messages

    def announce(self, now_s: float) -> list[Message]:
        """Everything again, for a broker or a listener that knows nothing."""
        return [*(self._state(face, now_s) for face in self._faces.values()), self.summary()]

    def correction(self, topic: str, payload: bytes) -> Message | None:
        """What must be said about a state found at the broker: a face that is not here is cleared."""
        track = self._topics.track_of(topic)
        stale = track is not None and payload and track not in self._faces
        return self._cleared(track) if track is not None and stale else None

    def summary(self) -> Message:
        """Everybody who is here, as of the last frame."""
        faces = list(self._faces.values())
        counts = Counter(face.emotion for face in faces)
        mean = (
            {label: sum(face.scores[label] for face in faces) / len(faces) for label in self._labels} if faces else None
        )
        said = Summary(
            ts=time.time(),
            faces=len(faces),
            counts={label: counts[label] for label in (*self._labels, UNKNOWN)},
            mean_scores=mean,
        )
        return self._topics.message(SUMMARY, said.to_json())

    def _is_news(self, face: TrackState, now_s: float) -> bool:
        emotion, said_s = self._said.get(face.track, ("", 0.0))
        return face.emotion != emotion or now_s - said_s >= self._config.track_expiry_s / 2

    def _state(self, face: TrackState, now_s: float) -> Message:
        self._said[face.track] = (face.emotion, now_s)
        expiry_s = round(self._config.track_expiry_s)
        return self._topics.message(TRACK_STATE, face.to_json(), track=face.track, expiry_s=expiry_s)

    def _cleared(self, track: int) -> Message:
        self._said.pop(track, None)
        return self._topics.message(TRACK_STATE, "", track=track)


class AggregatePublisher(FaceStatePublisher):
    """A presence that keeps everything to itself but the summary of a group.

    Args:
        topics, labels, config: see `FaceStatePublisher`.
        min_group: of fewer faces nothing is said.
    """

    def __init__(self, topics: Topics, labels: Sequence[str], config: ReportConfig, min_group: int) -> None:
        super().__init__(topics, labels, config)
        self._min_group = min_group
        self._summary_topic = topics.of(SUMMARY)

    def observe(self, faces: Sequence[TrackState], ended: Collection[int], now_s: float) -> list[Message]:
        """Take in one frame; see `FaceStatePublisher`."""
        return self._permitted(super().observe(faces, ended, now_s))

    def announce(self, now_s: float) -> list[Message]:
        """The summary, if there is a group."""
        return self._permitted(super().announce(now_s))

    def _permitted(self, messages: list[Message]) -> list[Message]:
        if len(self._faces) < self._min_group:
            return []
        return [message for message in messages if message.topic == self._summary_topic]


def open_face_states(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> FaceStatePublisher:
    """What may be said of the people in view, as the settings want it."""
    if usage_policy.aggregate(config):
        return AggregatePublisher(topics, labels, config.report, config.privacy.min_group)
    return FaceStatePublisher(topics, labels, config.report)
