"""How good a steady label is: what was said of labelled recordings, judged by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from device.config.schema import SmootherConfig
from device.errors import UsageError
from device.messages import UNKNOWN
from device.vision.smoother import make_smoother

NOBODY = 0  # the track of a frame that shows no face


@dataclass(frozen=True)
class Look:
    """One frame of a recording, as the network saw it."""

    time_s: float
    track: int  # whose face; NOBODY where there was none
    scores: tuple[float, ...]  # calibrated, of the single frame; none where there was no face
    face_px: float


@dataclass(frozen=True)
class Segment:
    """For how long which expression is shown."""

    start_s: float
    end_s: float
    emotion: str


@dataclass(frozen=True)
class Recording:
    """A clip as the network saw it, in the order of time, and the truth about it."""

    name: str
    labels: tuple[str, ...]  # of the scores
    looks: tuple[Look, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was said, against the truth. Shares are of the labelled time."""

    minutes: float  # of labelled time
    changes: int  # of the true label, the first label of each recording among them
    flips: int  # how often a label was taken: from unknown or from another label
    flips_per_minute: float
    flips_per_change: float
    restless: float  # share of the segments in which labels were taken more than once
    named: float  # share of the segments in which the right label was said
    delay_p50_s: float | None  # from a segment's start until the right label; of those named
    delay_p95_s: float | None
    right: float
    wrong: float
    unknown: float


Say = Callable[[Recording], list[str]]  # what is said on each frame


def unsteadied(recording: Recording) -> list[str]:
    """What the network alone says: the likeliest label of each frame."""
    return [recording.labels[int(np.argmax(look.scores))] if look.scores else UNKNOWN for look in recording.looks]


def steadied(config: SmootherConfig) -> Say:
    """What a smoother says."""

    def say(recording: Recording) -> list[str]:
        smoother = make_smoother(config, recording.labels)
        return [
            smoother.update(look.track, look.scores, look.time_s, look.face_px).emotion if look.scores else UNKNOWN
            for look in recording.looks
        ]

    return say


def judge(recordings: Sequence[Recording], say: Say) -> Verdict:
    """Score what is said of labelled recordings.

    Raises:
        UsageError: nothing is labelled.
    """
    found = [segment for recording in recordings for segment in _segments(recording, say(recording))]
    seconds = sum(each.seconds for each in found)
    if seconds <= 0:
        raise UsageError("the labels name no time at which a clip has frames; check start_s and end_s.")
    flips, delays = sum(each.flips for each in found), [each.delay_s for each in found if each.delay_s is not None]
    changes = sum(each.changed for each in found)
    right, unknown = (sum(getattr(each, name) for each in found) / seconds for name in ("right_s", "unknown_s"))
    return Verdict(
        minutes=seconds / 60,
        changes=changes,
        flips=flips,
        flips_per_minute=flips / (seconds / 60),
        flips_per_change=flips / changes,
        restless=sum(each.flips > 1 for each in found) / len(found),
        named=len(delays) / len(found),
        delay_p50_s=float(np.percentile(delays, 50)) if delays else None,
        delay_p95_s=float(np.percentile(delays, 95)) if delays else None,
        right=right,
        wrong=1 - right - unknown,
        unknown=unknown,
    )


@dataclass
class _Judged:
    """One segment."""

    changed: bool  # the truth did, with its start
    seconds: float = 0.0
    flips: int = 0
    delay_s: float | None = None
    right_s: float = 0.0
    unknown_s: float = 0.0


def _segments(recording: Recording, said: list[str]) -> Iterator[_Judged]:
    """What is said holds until the next frame; the last frame's, as long as the one before it."""
    times = [look.time_s for look in recording.looks]
    steps = [after - before for before, after in pairwise(times)]
    ends = [*times[1:], *(time_s + (steps[-1] if steps else 0.0) for time_s in times[-1:])]
    truth = ""
    for segment in recording.segments:
        judged = _Judged(changed=segment.emotion != truth)
        for start_s, end_s, word, before in zip(times, ends, said, [UNKNOWN, *said], strict=False):
            held_s = min(end_s, segment.end_s) - max(start_s, segment.start_s)
            if held_s > 0:
                judged.flips += start_s >= segment.start_s and word not in (before, UNKNOWN)
                _count(judged, segment, word, held_s, max(0.0, start_s - segment.start_s))
        truth = segment.emotion
        yield judged


def _count(judged: _Judged, segment: Segment, word: str, held_s: float, after_s: float) -> None:
    judged.seconds += held_s
    judged.unknown_s += held_s if word == UNKNOWN else 0.0
    if word == segment.emotion:
        judged.right_s += held_s
        judged.delay_s = after_s if judged.delay_s is None else judged.delay_s
