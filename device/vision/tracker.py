"""Turns the detections of successive frames into tracks with stable ids."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from device.config.schema import TrackerConfig
from device.inference.box import Box, iou_matrix
from device.vision.detection import Detection

NO_ID = 0  # of a track that is not confirmed, so that false alarms use no ids
BUFFER = 0.75  # of a box's width and height, at most, added on each side where faces moved too far to overlap
BUFFER_PER_S = 6.0  # the same for each second since the face was last seen; BUFFER is reached after 0.125 s
BUFFER_S = 0.5  # for so long after a face was last seen

Covers = Callable[[Box], bool]  # whether a face in that box would have been found
Follow = Callable[
    [Sequence[Box]], list[Box | None]
]  # boxes of the frame before -> where they are now; None where unknown


@dataclass(frozen=True)
class Track:
    """One face over time. Times are those of the frames, seconds."""

    id: int
    box: Box
    score: float
    first_s: float
    last_s: float
    frames: int  # on which a detector found it
    missing: bool = False  # not found where it was searched, or lost by the flow, since last found
    key: int = 0  # its own from the first detection on; the id is given when it is confirmed


class Verdict(Enum):
    """Whether a track is a face."""

    UNDECIDED = "undecided"
    FACE = "face"
    OTHER = "other"


IsFace = Callable[[Track], Verdict]


def always_face(track: Track) -> Verdict:
    """Every track is a face."""
    return Verdict.FACE


class TrackUpdate(NamedTuple):
    """The changes of one frame."""

    live: list[Track]  # confirmed and seen on this frame, those that just started included
    started: list[Track]  # confirmed by this frame
    ended: list[Track]  # lost with this frame, or no face any more; as they were when last seen
    in_view: list[Track]  # seen on this frame and confirmed, or about to be
    dropped: list[Track]  # gone, the unconfirmed ones too


class Tracker:
    """Matches faces by the overlap of their boxes: the IOU tracker (Bochinski et al. 2017).

    What then is left is matched once more with larger boxes, since on a slow board a face moves by
    its own width from one frame to the next (C-BIoU, Yang et al. 2023, with one buffer that grows
    with the time unseen).

    A lost face is held for `lost_s`. Where a frame was not searched, optical flow moves the box. A
    track ends only after its place was searched. What is no face is followed, so that its place is
    known, but never confirmed. The result does not depend on the order of a frame's detections.

    Args:
        config: thresholds.
        is_face: the judge of every track; default: all are faces.
        ids: of the tracks to come; default: from 1.
    """

    def __init__(self, config: TrackerConfig, is_face: IsFace = always_face, ids: Iterator[int] | None = None) -> None:
        self._config = config
        self._is_face = is_face
        self._tracks: list[Track] = []
        self._ids = itertools.count(1) if ids is None else ids
        self._next_key = 1

    def update(
        self,
        detections: Sequence[Detection],
        time_s: float,
        covers: Covers = lambda box: True,
        follow: Follow = lambda boxes: [None] * len(boxes),
    ) -> TrackUpdate:
        """Continue every track on the next frame.

        Args:
            detections: the faces found on the frame, in any order.
            time_s: the frame's time, seconds; later than that of the frame before.
            covers: where the frame was searched; default: everywhere.
            follow: moves the boxes of the other faces; default: cannot.
        """
        known = {track.id for track in self._tracks}
        refused = self._unconfirm_others()
        pairs = self._match(detections, time_s, covers)
        found = [_found(self._tracks[t], detections[d], time_s) for t, d in pairs.items()]
        taken = set(pairs.values())
        new = sorted(face for d, face in enumerate(detections) if d not in taken)
        found += [Track(NO_ID, face.box, face.score, time_s, time_s, 1, key=self._new_key()) for face in new]
        seen = [self._confirmed(track) for track in found]
        missed = [track for t, track in enumerate(self._tracks) if t not in pairs]
        lost = [t for t in missed if covers(t.box) and time_s - t.last_s >= self._config.lost_s]
        continued = _continued([track for track in missed if track not in lost], time_s, covers, follow)
        self._tracks = seen + continued
        now = [track for track in self._tracks if track.last_s == time_s]
        live = _confirmed_ones(now)
        started = [track for track in live if track.id not in known]
        in_view = [track for track in now if track.frames >= self._config.confirm_frames - 1]
        return TrackUpdate(live, started, _confirmed_ones(lost) + refused, in_view, lost)

    def wanted(self) -> list[Box]:
        """Where a face must be confirmed, or was lost."""
        open_ones = [track for track in self._tracks if track.id == NO_ID or track.missing]
        return [track.box for track in open_ones if self._is_face(track) is not Verdict.OTHER]

    def finish(self) -> list[Track]:
        """End and return every confirmed track, for example when the source ended."""
        ended = _confirmed_ones(self._tracks)
        self._tracks = []
        return ended

    def _match(self, detections: Sequence[Detection], time_s: float, covers: Covers) -> dict[int, int]:
        """Index of track -> index of detection."""
        everyone = dict.fromkeys(range(len(self._tracks)), 0.0)
        matched = self._overlapping(detections, everyone, list(range(len(detections))))
        missed = [t for t, track in enumerate(self._tracks) if t not in matched and covers(track.box)]
        unseen_s = {t: time_s - self._tracks[t].last_s for t in missed if self._may_jump(self._tracks[t], time_s)}
        jumped = {t: min(BUFFER, BUFFER_PER_S * elapsed_s) for t, elapsed_s in unseen_s.items()}
        left = sorted(set(range(len(detections))) - set(matched.values()))
        return matched | self._overlapping(detections, jumped, left)

    def _may_jump(self, track: Track, time_s: float) -> bool:
        return time_s - track.last_s <= BUFFER_S and self._is_face(track) is not Verdict.OTHER

    def _overlapping(
        self, detections: Sequence[Detection], buffers: dict[int, float], found: list[int]
    ) -> dict[int, int]:
        """The same, of tracks and their buffers: confirmed tracks first, then by best overlap."""
        pairs: list[tuple[int, int, float]] = []
        for buffer in set(buffers.values()):
            tracks = [t for t, its_own in buffers.items() if its_own == buffer]
            places = [self._tracks[t].box.enlarged(buffer) for t in tracks]
            ious = iou_matrix(places, [detections[d].box.enlarged(buffer) for d in found])
            near = np.argwhere(ious >= self._config.min_iou)
            pairs += [(tracks[i], found[j], float(ious[i, j])) for i, j in near]
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for t, d, _ in sorted(pairs, key=lambda pair: self._rank(pair, detections)):
            if t not in matched and d not in taken:
                matched[t] = d
                taken.add(d)
        return matched

    def _rank(self, pair: tuple[int, int, float], detections: Sequence[Detection]) -> tuple[object, ...]:
        """Sort key of the matches; it does not depend on the order of the detections."""
        t, d, iou = pair
        track = self._tracks[t]
        return (track.id == NO_ID, -iou, track.id, track.box, detections[d])

    def _unconfirm_others(self) -> list[Track]:
        """Take the id of each track that is no face any more; return them as they were."""
        refused = [track for track in _confirmed_ones(self._tracks) if self._is_face(track) is Verdict.OTHER]
        self._tracks = [dataclasses.replace(t, id=NO_ID) if t in refused else t for t in self._tracks]
        return refused

    def _new_key(self) -> int:
        self._next_key += 1
        return self._next_key - 1

    def _confirmed(self, track: Track) -> Track:
        if track.id != NO_ID or track.frames < self._config.confirm_frames:
            return track
        if self._is_face(track) is not Verdict.FACE:
            return track
        return dataclasses.replace(track, id=next(self._ids))


def _found(track: Track, face: Detection, time_s: float) -> Track:
    return Track(track.id, face.box, face.score, track.first_s, time_s, track.frames + 1, key=track.key)


def _continued(tracks: list[Track], time_s: float, covers: Covers, follow: Follow) -> list[Track]:
    """Tracks without a detection: moved by the flow where not searched, missing elsewhere."""
    uncovered = [track for track in tracks if not covers(track.box)]
    moved = dict(zip(map(id, uncovered), follow([track.box for track in uncovered]), strict=True))
    return [_unfound(track, moved.get(id(track)), time_s) for track in tracks]


def _unfound(track: Track, box: Box | None, time_s: float) -> Track:
    if box is None:
        return dataclasses.replace(track, missing=True)
    if track.missing:  # the flow may follow the background
        return dataclasses.replace(track, box=box)
    return dataclasses.replace(track, box=box, last_s=time_s)


def _confirmed_ones(tracks: list[Track]) -> list[Track]:
    return [track for track in tracks if track.id != NO_ID]
