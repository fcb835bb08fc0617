"""Turns the predictions of one track into a steady label with a confidence, or "unknown".

First a filter with time constants in seconds, so that the frame rate does not change the result.
Then hysteresis and a minimum dwell time, so that the label does not flicker.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig
from device.errors import ConfigError
from device.messages import UNKNOWN
from device.vision import filters
from device.vision.filters import Belief, FilterFactory, Scores, Steadying, normalised, uniform

DOUBTFUL = 1.2  # times the score of equally likely labels: a label below that means nothing


@dataclass(frozen=True)
class Reading:
    """The expression of a face, as it is published."""

    emotion: str  # one of the labels, or "unknown"
    confidence: float  # filtered score of the emotion; of the best label while it is unknown
    scores: tuple[float, ...]  # filtered, in the order of the labels, sum 1
    previous: str | None  # the emotion before the last change; None before the first
    changed: bool  # by this update


@dataclass
class _Face:
    belief: Belief
    time_s: float  # of the belief
    classified_s: float  # when the face was last classified
    emotion: str = UNKNOWN
    previous: str | None = None
    since_s: float = -math.inf  # a new face is unknown, and its first label needs no dwell time


class Smoother:
    """Keeps one belief a track, and decides its label.

    A belief starts as the filter says. A label is taken at `enter`, becomes unknown below `leave`,
    and is kept for at least `dwell_s`, `unknown` included. The label of a face that is smaller than
    `min_face_px`, or was not classified for `stale_s`, fades to unknown, whatever `leave` is. With
    two labels one of them always has half of the belief: it is taken at 0.6 or more, so that labels
    do not alternate. An `enter` below that of equally likely labels names every reading.

    Args:
        steadying: the filter that updates a belief.
        config: thresholds.
        labels: names of the scores.
    """

    def __init__(self, steadying: Steadying, config: SmootherConfig, labels: Sequence[str]) -> None:
        self._steadying = steadying
        self._config = config
        self._labels = tuple(labels)
        self._nothing = uniform(labels)  # the scores of a face that was not read
        even = 1.0 / len(self._labels)
        self._enter = config.enter if config.enter < even else max(config.enter, DOUBTFUL * even)
        self._leave_unread = max(config.leave, DOUBTFUL * even)
        self._faces: dict[int, _Face] = {}

    def update(
        self,
        track_id: int,
        scores: NDArray[np.floating] | Sequence[float],
        time_s: float,
        face_px: float,
        weight: float = 1.0,
    ) -> Reading:
        """Update one track with the scores of a frame.

        Args:
            track_id: the track of the scores; a new id starts a new belief.
            scores: (K,), at least 0, sum 1.
            time_s: of the frame, seconds.
            face_px: mean side of the face's box, pixels of the frame.
            weight: how much the scores count, 0 (as if the face was not classified) to 1.
        """
        if not self.large_enough(face_px) or weight <= 0.0:
            return self.wait(track_id, time_s, face_px)
        face = self._face(track_id, time_s)
        face.classified_s = max(time_s, face.classified_s)
        return self._advance(face, np.asarray(scores, dtype=np.float64), time_s, min(1.0, weight), True)

    def wait(self, track_id: int, time_s: float, face_px: float) -> Reading:
        """A track's reading on a frame on which its face was not classified.

        It stays as before, unless the face is too small or its last prediction is too old.

        Args: see `update`.
        """
        face = self._face(track_id, time_s)
        if self.large_enough(face_px) and time_s - face.classified_s <= self._config.stale_s:
            return self._reading(face, False)
        return self._advance(face, self._nothing, time_s, 1.0, False)

    def large_enough(self, face_px: float) -> bool:
        """Whether a face of that size can be classified."""
        return face_px >= self._config.min_face_px

    def forget(self, track_id: int) -> None:
        """Drop the belief of a track that ended; an unknown id is ignored."""
        self._faces.pop(track_id, None)

    def _face(self, track_id: int, time_s: float) -> _Face:
        start = self._steadying.start
        return self._faces.setdefault(track_id, _Face(start, time_s, time_s))

    def _advance(self, face: _Face, seen: Scores, time_s: float, weight: float, classified: bool) -> Reading:
        belief = self._steadying.filter(face.belief, seen, max(0.0, time_s - face.time_s), weight)
        face.belief = belief._replace(scores=normalised(belief.scores))
        face.time_s = max(time_s, face.time_s)
        emotion = self._next_emotion(face, classified)
        changed = emotion != face.emotion
        if changed:
            face.previous, face.emotion, face.since_s = face.emotion, emotion, face.time_s
        return self._reading(face, changed)

    def _next_emotion(self, face: _Face, classified: bool) -> str:
        if face.time_s - face.since_s < self._config.dwell_s:
            return face.emotion
        scores = face.belief.scores
        best = int(scores.argmax())
        likelier = scores[best] > self._steadying.start.scores[best]  # a face is not named before it was read
        if classified and likelier and scores[best] >= self._enter:
            return self._labels[best]
        if face.emotion == UNKNOWN:
            return UNKNOWN
        leave = self._config.leave if classified else self._leave_unread
        return UNKNOWN if scores[self._labels.index(face.emotion)] < leave else face.emotion

    def _reading(self, face: _Face, changed: bool) -> Reading:
        scores, known = face.belief.scores, face.emotion != UNKNOWN
        confidence = scores[self._labels.index(face.emotion)] if known else scores.max()
        return Reading(face.emotion, float(confidence), tuple(scores.tolist()), face.previous, changed)


def make_smoother(config: SmootherConfig, labels: Sequence[str]) -> Smoother:
    """The smoother that the settings describe.

    Raises:
        ConfigError: `leave` is above `enter`; a label would be dropped as soon as it is taken.
    """
    if config.leave > config.enter:
        raise ConfigError(
            f"device.smoother.leave is {config.leave:g}, above device.smoother.enter ({config.enter:g}); make it lower."
        )
    factory: FilterFactory = importlib.import_module(f"{filters.__name__}.{config.kind}").FILTER
    return Smoother(factory(config, labels), config, labels)
