"""Which face is which: detections of one frame after another become tracks with stable ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from device.config import TrackerConfig
from device.detector import Detection
from device.preprocess import Box

NO_ID = 0  # of a track that is not confirmed: false alarms use up no ids


@dataclass(frozen=True)
class Track:
    """One face over time. Times are those of the frames, seconds."""

    id: int
    box: Box
    score: float
    first_s: float
    last_s: float
    frames: int


class TrackUpdate(NamedTuple):
    """What one frame changed."""

    live: list[Track]  # confirmed and seen on this frame; those that just started are among them
    started: list[Track]  # confirmed by this frame
    ended: list[Track]  # lost with this frame; as they were when last seen


class Tracker:
    """Follows faces by the overlap of their boxes (the IOU tracker of Bochinski et al. 2017, with a hold-off).

    The outcome does not depend on the order in which a frame's detections come.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._tracks: list[Track] = []
        self._next_id = 1

    def update(self, detections: Sequence[Detection], time_s: float) -> TrackUpdate:
        """Follow every face into the next frame.

        Args:
            detections: the faces of the frame, in any order.
            time_s: the frame's time, seconds; later than that of the frame before.
        """
        pairs = self._match(detections)
        seen = [self._confirmed(_followed(self._tracks[t], detections[d], time_s)) for t, d in pairs.items()]
        taken = set(pairs.values())
        new = sorted(found for d, found in enumerate(detections) if d not in taken)
        seen += [self._confirmed(Track(NO_ID, d.box, d.score, time_s, time_s, 1)) for d in new]
        missed = [track for t, track in enumerate(self._tracks) if t not in pairs]
        lost = [track for track in missed if time_s - track.last_s >= self._config.lost_s]
        known = _confirmed_ones(self._tracks)
        self._tracks = seen + [track for track in missed if track not in lost]
        live = _confirmed_ones(seen)
        started = [track for track in live if track.id not in {old.id for old in known}]
        return TrackUpdate(live, started, _confirmed_ones(lost))

    def finish(self) -> list[Track]:
        """End every confirmed track, for example because the source ended."""
        ended = _confirmed_ones(self._tracks)
        self._tracks = []
        return ended

    def _match(self, detections: Sequence[Detection]) -> dict[int, int]:
        """Index of a track -> index of its detection: best overlaps first, confirmed tracks before the others."""
        overlaps = {
            (t, d): track.box.iou(found.box)
            for t, track in enumerate(self._tracks)
            for d, found in enumerate(detections)
        }
        matched: dict[int, int] = {}
        for t, d in sorted(overlaps, key=lambda pair: self._rank(pair, overlaps[pair], detections)):
            if overlaps[t, d] >= self._config.min_iou and t not in matched and d not in matched.values():
                matched[t] = d
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


def _followed(track: Track, found: Detection, time_s: float) -> Track:
    return dataclasses.replace(track, box=found.box, score=found.score, last_s=time_s, frames=track.frames + 1)


def _confirmed_ones(tracks: list[Track]) -> list[Track]:
    return [track for track in tracks if track.id != NO_ID]
