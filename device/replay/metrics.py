"""Evaluates frame labels against labelled recordings, weighted by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from device.config.schema import SmootherConfig
from device.errors import UsageError
from device.messages import UNKNOWN
from device.vision.smoother import make_smoother

NO_TRACK = 0  # the track id of a frame without a face


@dataclass(frozen=True)
class FrameScores:
    """The network's scores for one frame of a recording."""

    time_s: float
    track: int  # id of the face; NO_TRACK without a face
    scores: tuple[float, ...]  # calibrated, of this frame alone; empty without a face
    face_px: float  # mean side of the face


@dataclass(frozen=True)
class Segment:
    """A stretch of time with one true label."""

    start_s: float
    end_s: float
    emotion: str


@dataclass(frozen=True)
class Recording:
    """The scores of a clip's frames, in the order of time, and its true labels."""

    name: str
    labels: tuple[str, ...]  # one for each score
    frames: tuple[FrameScores, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Predicted labels compared with the true ones. Shares are of the labelled time."""

    minutes: float  # of labelled time
    changes: int  # of the true label, including the first label of each recording
    flips: int  # of the predicted label: from unknown or another label to a label
    flips_per_minute: float
    flips_per_change: float
    restless: float  # share of the segments with more than one flip
    named: float  # share of the segments in which the right label was predicted
    delay_p50_s: float | None  # from a segment's start to its right label; of the named segments
    delay_p95_s: float | None
    right: float
    wrong: float
    unknown: float


Labeller = Callable[[Recording], list[str]]  # returns a predicted label for each frame


def raw_labels(recording: Recording) -> list[str]:
    """Return the label with the highest score of each frame: the network without a smoother."""
    return [recording.labels[int(np.argmax(frame.scores))] if frame.scores else UNKNOWN for frame in recording.frames]


def smoothed_labels(config: SmootherConfig) -> Labeller:
    """Return a function that labels each frame of a recording with a new smoother."""

    def label(recording: Recording) -> list[str]:
        smoother = make_smoother(config, recording.labels)
        return [
            smoother.update(frame.track, frame.scores, frame.time_s, frame.face_px).emotion if frame.scores else UNKNOWN
            for frame in recording.frames
        ]

    return label


def evaluate(recordings: Sequence[Recording], labeller: Labeller) -> Metrics:
    """Compare the labels of a labeller with the true ones, over all recordings together.

    Args:
        recordings: at least one with labelled time.
        labeller: see `raw_labels` and `smoothed_labels`.

    Raises:
        UsageError: no frame lies in a labelled segment.
    """
    stats = [each for recording in recordings for each in _segment_stats(recording, labeller(recording))]
    seconds = sum(each.seconds for each in stats)
    if seconds <= 0:
        raise UsageError("no clip has frames at the labelled times; check start_s and end_s in the labels file.")
    flips, changes = sum(each.flips for each in stats), sum(each.changed for each in stats)
    delays = [each.delay_s for each in stats if each.delay_s is not None]
    return Metrics(
        minutes=seconds / 60,
        changes=changes,
        flips=flips,
        flips_per_minute=flips / (seconds / 60),
        flips_per_change=flips / changes,
        restless=sum(each.flips > 1 for each in stats) / len(stats),
        named=len(delays) / len(stats),
        delay_p50_s=float(np.percentile(delays, 50)) if delays else None,
        delay_p95_s=float(np.percentile(delays, 95)) if delays else None,
        right=sum(each.right_s for each in stats) / seconds,
        wrong=sum(each.wrong_s for each in stats) / seconds,
        unknown=sum(each.unknown_s for each in stats) / seconds,
    )


@dataclass
class _SegmentStats:
    """The predicted labels within one segment."""

    changed: bool  # the true label differs from the segment before
    seconds: float = 0.0
    flips: int = 0
    delay_s: float | None = None
    right_s: float = 0.0
    wrong_s: float = 0.0
    unknown_s: float = 0.0


def _segment_stats(recording: Recording, predicted: list[str]) -> Iterator[_SegmentStats]:
    """A label lasts until the next frame; the last one as long as the one before it."""
    times = [frame.time_s for frame in recording.frames]
    steps = [after - before for before, after in pairwise(times)]
    ends = [*times[1:], *(time_s + (steps[-1] if steps else 0.0) for time_s in times[-1:])]
    true_label = ""
    for segment in recording.segments:
        stats = _SegmentStats(changed=segment.emotion != true_label)
        for start_s, end_s, label, before in zip(times, ends, predicted, [UNKNOWN, *predicted], strict=False):
            held_s = min(end_s, segment.end_s) - max(start_s, segment.start_s)
            if held_s > 0:
                stats.flips += start_s >= segment.start_s and label not in (before, UNKNOWN)
                _add_label(stats, segment, label, held_s, max(0.0, start_s - segment.start_s))
        true_label = segment.emotion
        yield stats


def _add_label(stats: _SegmentStats, segment: Segment, label: str, held_s: float, after_s: float) -> None:
    stats.seconds += held_s
    if label == segment.emotion:
        stats.right_s += held_s
        stats.delay_s = after_s if stats.delay_s is None else stats.delay_s
    elif label == UNKNOWN:
        stats.unknown_s += held_s
    else:
        stats.wrong_s += held_s
