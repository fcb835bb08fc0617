"""Which face is which: detections of one frame after another become tracks with stable ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from device.config.schema import TrackerConfig
from device.inference.box import Box, iou_matrix
from device.vision.detection import Detection

NO_ID = 0  # of a track that is not confirmed: false alarms use up no ids

Looked = Callable[[Box], bool]  # whether a face in that box was looked for
Follow = Callable[[Sequence[Box]], list[Box | None]]  # where boxes of the frame before are now, as far as that is known


@dataclass(frozen=True)
class Track:
    """One face over time. Times are those of the frames, seconds."""

    id: int
    box: Box
    score: float
    first_s: float
    last_s: float
    frames: int  # on which a detector found it
    missing: bool = False  # looked for in vain, or out of sight, since it was found last


class TrackUpdate(NamedTuple):
    """What one frame changed."""

    live: list[Track]  # confirmed and seen on this frame; those that just started are among them
    started: list[Track]  # confirmed by this frame
    ended: list[Track]  # lost with this frame; as they were when last seen


class Tracker:
    """Follows faces by the overlap of their boxes (the IOU tracker of Bochinski et al. 2017, with a hold-off).

    Where a frame was not looked at, a face is where the flow of the picture took it. It is given up only when it was
    looked for. The outcome does not depend on the order in which a frame's detections come.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._tracks: list[Track] = []
        self._next_id = 1

    def update(
        self,
        detections: Sequence[Detection],
        time_s: float,
        looked: Looked = lambda box: True,
        follow: Follow = lambda boxes: [None] * len(boxes),
    ) -> TrackUpdate:
        """Follow every face into the next frame.

        Args:
            detections: the faces found on the frame, in any order.
            time_s: the frame's time, seconds; later than that of the frame before.
            looked: where faces were looked for.
            follow: moves the boxes of faces that were not.
        """
        pairs = self._match(detections)
        found = [_found(self._tracks[t], detections[d], time_s) for t, d in pairs.items()]
        taken = set(pairs.values())
        new = sorted(face for d, face in enumerate(detections) if d not in taken)
        found += [Track(NO_ID, face.box, face.score, time_s, time_s, 1) for face in new]
        seen = [self._confirmed(track) for track in found]
        missed = [track for t, track in enumerate(self._tracks) if t not in pairs]
        lost = [t for t in missed if looked(t.box) and time_s - t.last_s >= self._config.lost_s]
        carried = _carried([track for track in missed if track not in lost], time_s, looked, follow)
        known = {track.id for track in self._tracks}
        self._tracks = seen + carried
        live = _confirmed_ones([track for track in self._tracks if track.last_s == time_s])
        started = [track for track in live if track.id not in known]
        return TrackUpdate(live, started, _confirmed_ones(lost))

    def wanted(self) -> list[Box]:
        """Where a face must be confirmed, or was lost from sight."""
        return [track.box for track in self._tracks if track.id == NO_ID or track.missing]

    def finish(self) -> list[Track]:
        """End every confirmed track, for example because the source ended."""
        ended = _confirmed_ones(self._tracks)
        self._tracks = []
        return ended

    def _match(self, detections: Sequence[Detection]) -> dict[int, int]:
        """Index of a track -> index of its detection: best overlaps first, confirmed tracks before the others."""
        ious = iou_matrix([track.box for track in self._tracks], [found.box for found in detections])
        pairs = [(int(t), int(d)) for t, d in np.argwhere(ious >= self._config.min_iou)]
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for t, d in sorted(pairs, key=lambda pair: self._rank(pair, float(ious[pair]), detections)):
            if t not in matched and d not in taken:
                matched[t] = d
                taken.add(d)
        return matched

    def _rank(self, pair: tuple[int, int], iou: float, detections: Sequence[Detection]) -> tuple[object, ...]:
        """What settles who is matched first; nothing in it depends on the order of the detections."""
        track, found = self._tracks[pair[0]], detections[pair[1]]
        return (track.id == NO_ID, -iou, track.id, track.box, found)

    def _confirmed(self, track: Track) -> Track:
        if track.id != NO_ID or track.frames < self._config.confirm_frames:
            return track
        self._next_id += 1
        return dataclasses.replace(track, id=self._next_id - 1)


def _found(track: Track, face: Detection, time_s: float) -> Track:
    return Track(track.id, face.box, face.score, track.first_s, time_s, track.frames + 1)


def _carried(tracks: list[Track], time_s: float, looked: Looked, follow: Follow) -> list[Track]:
    """The tracks that no detection confirms, as they go on: followed where nobody looked, missing elsewhere."""
    unlooked = [track for track in tracks if not looked(track.box)]
    moved = dict(zip(map(id, unlooked), follow([track.box for track in unlooked]), strict=True))
    return [_unfound(track, moved.get(id(track)), time_s) for track in tracks]


def _unfound(track: Track, box: Box | None, time_s: float) -> Track:
    if box is None:
        return dataclasses.replace(track, missing=True)
    if track.missing:  # what is followed may be the wall behind
        return dataclasses.replace(track, box=box)
    return dataclasses.replace(track, box=box, last_s=time_s)


def _confirmed_ones(tracks: list[Track]) -> list[Track]:
    return [track for track in tracks if track.id != NO_ID]
