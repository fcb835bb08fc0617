"""The second look: is what a detector found a face, and how is the head held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
READ_SHARE = 0.5  # of a frame's time, after which nobody is read any more
MAX_BURST = 5  # looks at once, one a frame; from a head at 60 degrees its roll is right after four
TILTED_DEG = 20.0  # a head tilted by this is not held so for long, and is looked at more often:
TILTED_SHARE = 0.2  # after this share of the interval
OVER = 1.5  # a turn is extended by this: the network sees only half to three quarters of a large one


# Is told of every look: image, track, what was seen, time of the frame.
OnLook = Callable[[NDArray[np.uint8], Track, Landmarks, float], None]


class Network(Protocol):
    """Tells faces from other things, and finds their parts."""

    def look(self, image: NDArray[np.uint8], box: Box, roll_deg: float = 0.0) -> Landmarks:
        """See `LandmarkNetwork`."""


@dataclass
class Head:
    """What is known of one track after the latest look at it."""

    presence: float = 0.0  # mean of the last looks, in [0, 1]
    roll_deg: float = 0.0  # clockwise; see device.vision.head_geometry
    verdict: Verdict = Verdict.UNDECIDED
    looks: int = 0
    burst: int = 0  # looks at once so far
    due_s: float = -np.inf  # time of the next look that counts for the verdict
    read_due_s: float = np.inf  # time of the next look that is only read

    @property
    def settled(self) -> bool:
        """Whether its roll is known; until then its crop may be turned wrongly."""
        return not self.burst


class FaceChecker:
    """Looks at each track with a landmark network before it may start, and then in turn.

    One look decides if it is sure; otherwise the mean of three does, on frames one after another. A
    refused track is looked at again after the interval, for it may be a face that turns to the
    camera. So is an accepted one: it ends if its face is gone.

    Where somebody reads the looks, an accepted face is looked at more often. What it is, is not
    decided anew by that: a hand before a face for half a second must not end it.

    Args:
        network: see `Network`.
        config: thresholds.
        budget: the time of a frame. At least one track is looked at on two frames.
        on_look: see `OnLook`; None: nobody reads the looks.
        read_interval_s: between two looks that are read.
    """

    def __init__(
        self,
        network: Network,
        config: FaceCheckConfig,
        budget: Budget,
        on_look: OnLook | None = None,
        read_interval_s: float = np.inf,
    ) -> None:
        self._network = network
        self._config = config
        self._budget = budget
        self._on_look = on_look
        self._read_interval_s = read_interval_s
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
        self._read(image, tracks, time_s)

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

    def _read(self, image: NDArray[np.uint8], tracks: Sequence[Track], time_s: float) -> None:
        """Look at faces for those who read, the ones that wait longest first, if there is time."""
        due = [track for track in tracks if self.head(track).read_due_s <= time_s]
        for track in sorted(due, key=lambda track: (self.head(track).read_due_s, track.key)):
            if not self._budget.affords("check", READ_SHARE, leaving="classify"):
                break
            with self._budget.spend("check"):
                self._see(image, track, time_s)

    def _see(self, image: NDArray[np.uint8], track: Track, time_s: float) -> tuple[float, float]:
        """One look: the presence of a face, and by how many degrees its roll was wrong."""
        head = self.head(track)
        seen = self._network.look(image, track.box, head.roll_deg)
        turned_deg = 0.0
        if seen.presence >= ABSENT:  # else its points mean nothing
            turn_deg = _angle_deg(head_geometry.roll_deg(seen.points) - head.roll_deg)
            turned_deg = abs(turn_deg)
            head.roll_deg = _angle_deg(head.roll_deg + turn_deg * (OVER if turned_deg > SETTLED_DEG else 1.0))
        if self._on_look is not None:
            self._on_look(image, track, seen, time_s)
        head.read_due_s = time_s + self._read_interval_s
        return seen.presence, turned_deg

    def _look(self, image: NDArray[np.uint8], track: Track, time_s: float) -> None:
        head = self.head(track)
        presence, turned_deg = self._see(image, track, time_s)
        head.looks += 1
        head.presence += (presence - head.presence) / min(head.looks, LOOKS)
        head.verdict = self._decide(head, presence)
        if head.verdict is not Verdict.FACE:
            head.read_due_s = np.inf
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
