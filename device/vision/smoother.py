"""One track's predictions become a steady label with a confidence, or "unknown".

Filters with time constants in seconds, so that a Pi that slows down reads a face as it did before; then one rule that
decides what is said: hysteresis and a minimum dwell, so that a label does not flicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig
from device.errors import ConfigError
from device.messages import UNKNOWN

Scores = NDArray[np.float64]  # (K,), at least 0, sum 1
Filter = Callable[[Scores, Scores, float], Scores]  # belief, new scores, seconds since the last -> belief

FLOOR = 1e-3  # added to each score before the forward filter multiplies, which no zero may end for ever


@dataclass(frozen=True)
class Reading:
    """What a face's expression is taken to be."""

    emotion: str  # one of the labels, or "unknown"
    confidence: float  # filtered score of the emotion; of the likeliest label while it is unknown
    scores: tuple[float, ...]  # filtered, in the order of the labels, sum 1
    previous: str | None  # what was said before the last change; None before the first
    changed: bool  # by this very update


@dataclass
class _Face:
    belief: Scores
    time_s: float  # up to which the belief is brought
    heard_s: float  # when the network last said something
    emotion: str = UNKNOWN
    previous: str | None = None
    since_s: float = -math.inf  # a face is unknown at first, and may be named as soon as it can be


class Smoother:
    """Keeps one belief a track, and decides what is said of it.

    A belief begins uniform: nothing is known of a face that just came. A label is taken at `enter`, given up below
    `leave`, and kept for `dwell_s` at least, `unknown` included. A face smaller than `min_face_px` says nothing, and
    neither does one that was not read for `stale_s`: its label fades.

    Args:
        filtered: the filter that brings a belief forward.
        config: thresholds.
        labels: names of the scores.
    """

    def __init__(self, filtered: Filter, config: SmootherConfig, labels: Sequence[str]) -> None:
        self._filtered = filtered
        self._config = config
        self._labels = tuple(labels)
        self._nothing = np.full(len(self._labels), 1.0 / len(self._labels))
        self._faces: dict[int, _Face] = {}

    def update(
        self, track_id: int, scores: NDArray[np.floating] | Sequence[float], time_s: float, face_px: float
    ) -> Reading:
        """Bring one track's reading up to date.

        Args:
            track_id: whose scores these are; a new id begins a new belief.
            scores: (K,), at least 0, sum 1.
            time_s: of the frame, seconds.
            face_px: mean side of the face's box, pixels of the frame.
        """
        if not self.readable(face_px):
            return self.wait(track_id, time_s, face_px)
        face = self._face(track_id, time_s)
        face.heard_s = max(time_s, face.heard_s)
        return self._advance(face, np.asarray(scores, dtype=np.float64), time_s)

    def wait(self, track_id: int, time_s: float, face_px: float) -> Reading:
        """A track's reading on a frame on which it was not read: as before, unless it is too small or too old to hold.

        Args: see `update`.
        """
        face = self._face(track_id, time_s)
        if self.readable(face_px) and time_s - face.heard_s <= self._config.stale_s:
            return self._reading(face, False)
        return self._advance(face, self._nothing, time_s)

    def readable(self, face_px: float) -> bool:
        """Whether a face of that size can be read at all."""
        return face_px >= self._config.min_face_px

    def forget(self, track_id: int) -> None:
        """Drop what is known of a track that ended; an unknown id is no error."""
        self._faces.pop(track_id, None)

    def _face(self, track_id: int, time_s: float) -> _Face:
        return self._faces.setdefault(track_id, _Face(self._nothing, time_s, time_s))

    def _advance(self, face: _Face, seen: Scores, time_s: float) -> Reading:
        face.belief = _normal(self._filtered(face.belief, seen, max(0.0, time_s - face.time_s)))
        face.time_s = max(time_s, face.time_s)
        emotion = self._decided(face)
        changed = emotion != face.emotion
        if changed:
            face.previous, face.emotion, face.since_s = face.emotion, emotion, face.time_s
        return self._reading(face, changed)

    def _decided(self, face: _Face) -> str:
        if face.time_s - face.since_s < self._config.dwell_s:
            return face.emotion
        best = int(face.belief.argmax())
        if face.belief[best] >= self._config.enter:
            return self._labels[best]
        if face.emotion != UNKNOWN and face.belief[self._labels.index(face.emotion)] < self._config.leave:
            return UNKNOWN
        return face.emotion

    def _reading(self, face: _Face, changed: bool) -> Reading:
        known = face.emotion != UNKNOWN
        confidence = face.belief[self._labels.index(face.emotion)] if known else face.belief.max()
        return Reading(face.emotion, float(confidence), tuple(face.belief.tolist()), face.previous, changed)


def make_smoother(config: SmootherConfig, labels: Sequence[str]) -> Smoother:
    """The smoother that the settings describe.

    Raises:
        ConfigError: `leave` is above `enter`, so that a label would be given up as soon as it is taken.
    """
    if config.leave > config.enter:
        raise ConfigError(
            f"device.smoother.leave is {config.leave:g}, above device.smoother.enter ({config.enter:g}); make it lower."
        )
    filters = {
        "hmm": forward_filter(config.stay_s, config.time_constant_s),
        "ema": exponential_filter(config.time_constant_s),
        "none": no_filter,
    }
    return Smoother(filters[config.kind], config, labels)


def no_filter(belief: Scores, scores: Scores, elapsed_s: float) -> Scores:
    """Believe whatever the network says of the frame at hand."""
    return scores


def exponential_filter(time_constant_s: float) -> Filter:
    """A low-pass filter: a step of the scores is followed to 63 % after the time constant, at any frame rate."""

    def filtered(belief: Scores, scores: Scores, elapsed_s: float) -> Scores:
        share = -math.expm1(-elapsed_s / time_constant_s)
        return belief + share * (scores - belief)

    return filtered


def forward_filter(stay_s: float, time_constant_s: float) -> Filter:
    """The forward filter of a hidden Markov model (Rabiner 1989) whose states are the labels.

    An expression lasts `stay_s` on average and then turns into any other. Successive frames show much the same and
    are no independent witnesses: the frames of one `time_constant_s` together count as one, which also makes the
    outcome independent of the frame rate.
    """

    def filtered(belief: Scores, scores: Scores, elapsed_s: float) -> Scores:
        count = len(belief)
        kept = math.exp(-elapsed_s / stay_s * count / (count - 1))  # of what is not uniform in the belief
        expected = kept * belief + (1.0 - kept) / count
        evidence = (scores + FLOOR) ** min(1.0, elapsed_s / time_constant_s)
        return _normal(expected * evidence)

    return filtered


def _normal(belief: Scores) -> Scores:
    positive: Scores = np.clip(belief, 0.0, None)  # rounding may leave a hair below zero
    return np.asarray(positive / positive.sum())
