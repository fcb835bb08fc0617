"""The second look: is what a detector found a face, and how is the head held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device.config.schema import FaceCheckConfig
from device.inference.box import Box
from device.vision import head_geometry
from device.vision.landmarks import Landmarks
from device.vision.time_budget import Budget
from device.vision.tracker import Track, Verdict

SURE = 0.9  # presence at which one look is enough; nine faces of ten reach it at the first
LOOKS = 3  # whose mean decides otherwise
ABSENT = 0.1  # mean presence below which a face that was accepted is given up
SETTLED_DEG = 5.0  # a roll that differs more from the one that was assumed is looked at again at once
MAX_BURST = 5  # looks at once, one a frame; from a head at 60 degrees its roll is right after four
TILTED_DEG = 20.0  # a head tilted by this is not held so for long, and is looked at more often:
TILTED_SHARE = 0.2  # after this share of the interval
OVER = 1.5  # a turn is extended by this: the network sees only half to three quarters of a large one


class Network(Protocol):
    """Tells faces from other things, and finds their parts."""

    def look(self, image: NDArray[np.uint8], box: Box, roll_deg: float = 0.0) -> Landmarks:
        """See `LandmarkNetwork`."""


@dataclass
class Head:
    """What is known of one track after the latest look at it."""

    presence: float = 0.0  # mean of the last looks, in [0, 1]
    roll_deg: float = 0.0  # clockwise; see device.vision.head_geometry for both
    yaw_deg: float = 0.0
    verdict: Verdict = Verdict.UNDECIDED
    looks: int = 0
    burst: int = 0  # looks at once so far
    due_s: float = -np.inf  # time of the next look

    @property
    def settled(self) -> bool:
        """Whether its roll is known; until then its crop may be turned wrongly."""
        return not self.burst


class FaceChecker:
    """Looks at each track with a landmark network before it may start, and then in turn.

    One look decides if it is sure; otherwise the mean of three does, on frames one after another. A
    refused track is looked at again after the interval, for it may be a face that turns to the
    camera. So is an accepted one: it ends if its face is gone.

    Args:
        network: see `Network`.
        config: thresholds.
        budget: the time of a frame. At least one track is looked at on two frames.
    """

    def __init__(self, network: Network, config: FaceCheckConfig, budget: Budget) -> None:
        self._network = network
        self._config = config
        self._budget = budget
        self._heads: dict[int, Head] = {}
        self._overdue = False  # tracks waited on the frame before, and none was looked at

    def look(self, image: NDArray[np.uint8], tracks: Sequence[Track], time_s: float) -> None:
        """Look at the tracks that are due, as many as there is time for.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            tracks: those in view on it.
            time_s: of the frame, seconds.
        """
        due = [track for track in tracks if self.head(track).due_s <= time_s]
        looked = False
        for track in sorted(due, key=self._urgency):
            if not (self._overdue and not looked) and not self._budget.affords("check", leaving="classify"):
                break
            with self._budget.spend("check"):
                self._look(image, track, time_s)
            looked = True
        self._overdue = bool(due) and not looked

    def head(self, track: Track) -> Head:
        """What is known of a track."""
        return self._heads.setdefault(track.key, Head())

    def verdict(self, track: Track) -> Verdict:
        """Whether a track is a face."""
        return self.head(track).verdict

    def forget(self, tracks: Iterable[Track]) -> None:
        """Drop the state of tracks that are gone."""
        for track in tracks:
            self._heads.pop(track.key, None)

    def _urgency(self, track: Track) -> tuple[bool, float, int]:
        """Sort key: undecided ones first, then those that wait longest."""
        head = self.head(track)
        return (head.verdict is not Verdict.UNDECIDED, head.due_s, track.key)

    def _look(self, image: NDArray[np.uint8], track: Track, time_s: float) -> None:
        head = self.head(track)
        seen = self._network.look(image, track.box, head.roll_deg)
        head.looks += 1
        head.presence += (seen.presence - head.presence) / min(head.looks, LOOKS)
        head.verdict = self._decide(head, seen.presence)
        if seen.presence < ABSENT:  # its points mean nothing
            turned_deg = 0.0
        else:
            turn_deg = _angle_deg(head_geometry.roll_deg(seen.points) - head.roll_deg)
            turned_deg = abs(turn_deg)
            head.roll_deg = _angle_deg(head.roll_deg + turn_deg * (OVER if turned_deg > SETTLED_DEG else 1.0))
            head.yaw_deg = head_geometry.yaw_deg(seen.points)
        unsettled = head.verdict is Verdict.UNDECIDED or turned_deg > SETTLED_DEG
        head.burst = head.burst + 1 if unsettled and head.burst < MAX_BURST else 0
        head.due_s = time_s if head.burst else time_s + self._rest_s(head, not unsettled)

    def _rest_s(self, head: Head, settled: bool) -> float:
        """Seconds until the next look at a head."""
        soon = settled and head.verdict is Verdict.FACE and abs(head.roll_deg) >= TILTED_DEG
        return self._config.interval_s * (TILTED_SHARE if soon else 1.0)

    def _decide(self, head: Head, latest: float) -> Verdict:
        if latest >= SURE:
            return Verdict.FACE
        if head.looks < LOOKS:
            return head.verdict
        if head.verdict is Verdict.FACE:
            return Verdict.FACE if head.presence >= ABSENT else Verdict.OTHER
        return Verdict.FACE if head.presence >= self._config.min_presence else Verdict.OTHER


def _angle_deg(degrees: float) -> float:
    """The same angle from -180 to below 180."""
    return (degrees + 180.0) % 360.0 - 180.0
