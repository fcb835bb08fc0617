"""Messages about the faces in view: the state of each track, and the summary of all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence

from device.attention import group_attention
from device.config import usage_policy
from device.config.schema import DeviceConfig, ReportConfig
from device.messages import UNKNOWN, AttentionState, Summary, TrackState
from device.mqtt.topics import SUMMARY, TRACK_STATE, Message, Topics
from device.valence import mean_valence


class FaceStatePublisher:
    """Builds the messages that are due after each frame; knows nothing of connections.

    Attributes:
        min_measured: with fewer faces that have the value, a mean is not published; 0: any will do.

    Args:
        topics: where the messages go.
        labels: the model's labels.
        config: how often messages are sent.
    """

    min_measured = 0

    def __init__(self, topics: Topics, labels: Sequence[str], config: ReportConfig) -> None:
        self._topics = topics
        self._labels = tuple(labels)
        self._config = config
        self._faces: dict[int, TrackState] = {}
        self._published: dict[int, tuple[TrackState, float]] = {}  # track -> last published state, and when
        self._summary_due_s = 0.0

    @property
    def below_min_group(self) -> bool | None:
        """Whether too few faces for a summary are in view; None where that is no condition."""
        return None

    def observe(self, faces: Sequence[TrackState], ended: Collection[int], now_s: float) -> list[Message]:
        """Take in one frame.

        Args:
            faces: tracks seen on it.
            ended: tracks that ended with it.
            now_s: monotonic seconds.

        Returns:
            states that changed or would expire soon, cleared states, and the summary if it is due.
        """
        before = len(self._faces)
        messages = [self._cleared(track) for track in ended if self._faces.pop(track, None) is not None]
        self._faces.update({face.track: face for face in faces})
        messages += [self._state(face, now_s) for face in faces if self._is_due(face, now_s)]
        all_left = before > 0 and not self._faces
        if all_left or (self._faces and now_s >= self._summary_due_s):
            messages.append(self.summary())
            self._summary_due_s = self._next_summary_s(now_s)
        return messages

    def announce(self, now_s: float) -> list[Message]:
        """All messages again, for a broker or a subscriber without state."""
        return [*(self._state(face, now_s) for face in self._faces.values()), self.summary()]

    def correction(self, topic: str, payload: bytes) -> Message | None:
        """The message that clears a retained state of a face that is not in view.

        None if it is right.
        """
        track = self._topics.track_of(topic)
        stale = track is not None and payload and track not in self._faces
        return self._cleared(track) if track is not None and stale else None

    def summary(self) -> Message:
        """All faces in view, as of the last frame."""
        faces = list(self._faces.values())
        counts = Counter(face.emotion for face in faces)
        named = [face for face in faces if face.emotion != UNKNOWN]
        averaged = named if self.min_measured else faces  # of a group: two means would tell of who is in only one
        summary = Summary(
            ts=time.time(),
            faces=len(faces),
            counts={label: counts[label] for label in (*self._labels, UNKNOWN)},
            mean_scores=_mean_scores(averaged, self._labels) if len(averaged) >= self.min_measured else None,
            valence=mean_valence([face.valence for face in named], self.min_measured),
            attention=group_attention([face.attention for face in faces], self.min_measured),
        )
        return self._topics.message(SUMMARY, summary)

    def _next_summary_s(self, now_s: float) -> float:
        """In step with the last one if it was late by part of a frame, else from now."""
        late_s = now_s - self._summary_due_s
        return now_s + self._config.summary_s - (late_s if 0 <= late_s < self._config.summary_s else 0)

    def _is_due(self, face: TrackState, now_s: float) -> bool:
        if face.track not in self._published:
            return True
        before, published_s = self._published[face.track]
        measured = face.attention is not None
        limit_s = self._config.summary_s if measured else self._config.track_expiry_s / 2
        changed = face.emotion != before.emotion or _flags(face.attention) != _flags(before.attention)
        return changed or now_s - published_s >= limit_s

    def _state(self, face: TrackState, now_s: float) -> Message:
        self._published[face.track] = (face, now_s)
        expiry_s = round(self._config.track_expiry_s)
        return self._topics.message(TRACK_STATE, face, track=face.track, expiry_s=expiry_s)

    def _cleared(self, track: int) -> Message:
        self._published.pop(track, None)
        return self._topics.message(TRACK_STATE, "", track=track)


class AggregatePublisher(FaceStatePublisher):
    """Only the summary, and only of a group.

    Args:
        topics, labels, config: see `FaceStatePublisher`.
        min_group: with fewer faces nothing is published.
    """

    def __init__(self, topics: Topics, labels: Sequence[str], config: ReportConfig, min_group: int) -> None:
        super().__init__(topics, labels, config)
        self._min_group = self.min_measured = min_group
        self._summary_topic = topics.of(SUMMARY)

    @property
    def below_min_group(self) -> bool:
        """Whether too few faces for a summary are in view, or none."""
        return len(self._faces) < self._min_group

    def observe(self, faces: Sequence[TrackState], ended: Collection[int], now_s: float) -> list[Message]:
        """Take in one frame; see `FaceStatePublisher`."""
        return self._permitted(super().observe(faces, ended, now_s))

    def announce(self, now_s: float) -> list[Message]:
        """The summary, if there is a group."""
        return self._permitted(super().announce(now_s))

    def correction(self, topic: str, payload: bytes) -> Message | None:
        """The message that clears a retained state of any face; none of them is ours."""
        track = self._topics.track_of(topic)
        return self._cleared(track) if track is not None and payload else None

    def _permitted(self, messages: list[Message]) -> list[Message]:
        if self.below_min_group:
            return []
        return [message for message in messages if message.topic == self._summary_topic]


def _mean_scores(faces: Sequence[TrackState], labels: Sequence[str]) -> dict[str, float] | None:
    return {label: sum(face.scores[label] for face in faces) / len(faces) for label in labels} if faces else None


def _flags(state: AttentionState | None) -> tuple[bool | None, ...]:
    """What is published at once when it changes."""
    return () if state is None else (state.eyes_closed, state.yawning, state.looking_away)


def open_face_states(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> FaceStatePublisher:
    """The publisher that the purpose permits."""
    if usage_policy.aggregate(config):
        return AggregatePublisher(topics, labels, config.report, config.privacy.min_group)
    return FaceStatePublisher(topics, labels, config.report)
