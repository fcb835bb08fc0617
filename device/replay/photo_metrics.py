"""Adds up the scores of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from device.messages import UNKNOWN
from device.replay.photos import FaceScore, PhotoScore

EDGES_PX = (0.0, 40.0, 80.0, 120.0, 200.0, float("inf"))  # of the bands of size, mean side in the frame
FROM_PX = 40.0  # faces from this size are counted once more, together


@dataclass(frozen=True)
class Found:
    """Faces of one band of size."""

    faces: int
    found: int

    @property
    def share(self) -> float | None:
        """None without a face."""
        return self.found / self.faces if self.faces else None


@dataclass(frozen=True, kw_only=True)
class DetectionMetrics:
    """The detector alone, on whole frames through all their tiles."""

    photos: int
    bands: dict[str, Found]  # by band of size, then "all" and "from 40"
    false_alarms: int  # detections that are no face; a second one of the same face counts too


@dataclass(frozen=True, kw_only=True)
class ChainMetrics:
    """What a subscriber hears of photos at the end of their time. Shares are of the clear faces."""

    faces: int
    followed: int  # faces on which a track started
    tracks_per_person: float | None  # tracks of each followed face
    false_tracks: int  # that started on no face
    false_labels: int  # of these, that ever had a label
    clear: int  # faces whose expression is clear to the eye
    right: float | None
    wrong: float | None
    unknown: float | None
    never_followed: float | None
    right_of_followed: float | None  # share of the clear faces that were followed
    labelled: int  # clear faces that ever had a label
    first_label_p50_s: float | None  # from the photo's start; of the labelled clear faces
    first_label_p95_s: float | None
    changes_per_minute: float | None  # of the label after the first one, in each followed face's minutes
    empty_photos: int  # that show no face
    events_on_empty: int


def detection_metrics(scores: Sequence[PhotoScore]) -> DetectionMetrics:
    """Add up what the detector found."""
    faces = [face for score in scores for face in score.faces]
    bands = {band_name(low, high): _found(faces, low, high) for low, high in pairwise(EDGES_PX)}
    bands["all"] = _found(faces, 0, EDGES_PX[-1])
    bands[f"from {FROM_PX:.0f}"] = _found(faces, FROM_PX, EDGES_PX[-1])
    return DetectionMetrics(photos=len(scores), bands=bands, false_alarms=sum(score.false_alarms for score in scores))


def chain_metrics(scores: Sequence[PhotoScore]) -> ChainMetrics:
    """Add up what a subscriber hears."""
    faces = [face for score in scores for face in score.faces]
    followed = [face for face in faces if face.tracks]
    clear = [face for face in faces if face.emotion is not None]
    right = sum(face.heard == face.emotion for face in clear)
    unknown = sum(face.heard == UNKNOWN for face in clear)
    never = sum(face.heard is None for face in clear)
    delays = [face.first_label_s for face in clear if face.first_label_s is not None]
    minutes = sum(face.followed_s for face in followed) / 60
    empty = [score for score in scores if not score.faces]
    return ChainMetrics(
        faces=len(faces),
        followed=len(followed),
        tracks_per_person=_share(sum(face.tracks for face in followed), len(followed)),
        false_tracks=sum(score.false_tracks for score in scores),
        false_labels=sum(score.false_labels for score in scores),
        clear=len(clear),
        right=_share(right, len(clear)),
        wrong=_share(len(clear) - right - unknown - never, len(clear)),
        unknown=_share(unknown, len(clear)),
        never_followed=_share(never, len(clear)),
        right_of_followed=_share(right, len(clear) - never),
        labelled=len(delays),
        first_label_p50_s=_percentile(delays, 50),
        first_label_p95_s=_percentile(delays, 95),
        changes_per_minute=_share(sum(face.changes for face in followed), minutes),
        empty_photos=len(empty),
        events_on_empty=sum(score.events for score in empty),
    )


def band_name(low: float, high: float) -> str:
    """A band of size in words, such as `40-80`."""
    if not low:
        return f"under {high:.0f}"
    return f"over {low:.0f}" if high == EDGES_PX[-1] else f"{low:.0f}-{high:.0f}"


def _found(faces: Sequence[FaceScore], low: float, high: float) -> Found:
    inside = [face for face in faces if low <= face.side_px < high]
    return Found(len(inside), sum(face.found for face in inside))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
