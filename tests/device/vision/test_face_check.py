"""A track is looked at before it may start, then in turn; a script says what the network sees."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import FaceCheckConfig, PipelineConfig
from device.inference.box import Box
from device.vision import head_geometry
from device.vision.face_check import LOOKS, MAX_BURST, FaceChecker
from device.vision.landmarks import POINTS, Landmarks
from device.vision.time_budget import Budget
from device.vision.tracker import Track, Verdict
from tests.support.clock import Clock

IMAGE = np.zeros((10, 10), np.uint8)
LOOK_S, FRAME_S = 0.004, 0.1
FACE, OTHER, MAYBE = 1.0, 0.0, 0.6


def points(roll_deg: float = 0.0) -> NDArray[np.float32]:
    turn, made = math.radians(roll_deg), np.zeros((POINTS, 3), np.float32)
    made[head_geometry.RIGHT_EYE_CORNER, :2] = math.cos(turn), math.sin(turn)
    return made


class Scripted:
    """A network that takes 4 ms and says what a function of the track's place says."""

    def __init__(self, clock: Clock, says: Callable[[float], float]) -> None:
        self._clock = clock
        self.says = says
        self.roll_deg: Callable[[float], float] = lambda assumed: 0.0
        self.places: list[float] = []

    def look(self, image: NDArray[np.uint8], box: Box, roll_deg: float = 0.0) -> Landmarks:
        self._clock.now_s += LOOK_S
        self.places.append(box.x)
        return Landmarks(self.says(box.x), points(self.roll_deg(roll_deg)))


class Bench:
    """A checker with a scripted network, and the frames of a camera."""

    def __init__(self, says: Callable[[float], float], budget_ms: float | None = None) -> None:
        self.clock = Clock()
        self.network = Scripted(self.clock, says)
        self.budget = Budget(PipelineConfig(budget_ms=budget_ms), self.clock, lambda: False)
        self.checker = FaceChecker(self.network, FaceCheckConfig(interval_s=1.0), self.budget)
        self.frame = 0

    def show(self, tracks: list[Track], frames: int = 1) -> list[int]:
        """How many looks each frame took."""
        looks = []
        for _ in range(frames):
            before = len(self.network.places)
            self.budget.begin()
            self.checker.look(IMAGE, tracks, self.frame * FRAME_S)
            looks.append(len(self.network.places) - before)
            self.frame += 1
        return looks


def track(n: int = 0) -> Track:
    return Track(0, Box(n, 0, 50, 50), 0.9, 0.0, 0.0, 3, key=n)


@pytest.mark.parametrize(("presence", "verdict", "looks"), [(FACE, Verdict.FACE, 1), (OTHER, Verdict.OTHER, LOOKS)])
def test_a_sure_look_decides_else_three_do(presence: float, verdict: Verdict, looks: int) -> None:
    bench = Bench(lambda x: presence)
    assert bench.checker.verdict(track()) is Verdict.UNDECIDED
    assert sum(bench.show([track()], 9)) == looks
    assert bench.checker.verdict(track()) is verdict


@pytest.mark.parametrize(("presences", "verdict"), [((0.3, 0.6, 0.7), Verdict.FACE), ((0.3, 0.6, 0.5), Verdict.OTHER)])
def test_the_mean_of_three_looks_counts(presences: tuple[float, ...], verdict: Verdict) -> None:
    script = iter(presences)
    bench = Bench(lambda x: next(script))
    bench.show([track()], LOOKS - 1)
    assert bench.checker.verdict(track()) is Verdict.UNDECIDED
    bench.show([track()])
    assert bench.checker.verdict(track()) is verdict


def test_a_refused_track_is_looked_at_again_after_the_interval_and_may_turn_out_a_face() -> None:
    bench = Bench(lambda x: OTHER)
    assert bench.show([track()], 33) == [1, 1, 1, *[0] * 9, 1, *[0] * 9, 1, *[0] * 9, 1]
    bench.network.says = lambda x: FACE
    bench.show([track()], 10)
    assert bench.checker.verdict(track()) is Verdict.FACE


def test_an_accepted_face_is_given_up_after_several_looks_without_one() -> None:
    bench = Bench(lambda x: FACE)
    bench.show([track()], 31)
    bench.network.says = lambda x: OTHER
    bench.show([track()], 21)
    assert bench.checker.verdict(track()) is Verdict.FACE  # two bad looks may be a hand before it
    bench.show([track()], 100)
    assert bench.checker.verdict(track()) is Verdict.OTHER


def test_a_tilted_head_is_looked_at_until_its_roll_is_settled() -> None:
    bench = Bench(lambda x: FACE)
    bench.network.roll_deg = lambda assumed: assumed + 0.6 * (40 - assumed)  # a part of the way, as the real one
    bench.show([track()])
    assert not bench.checker.head(track()).settled
    bench.show([track()])
    assert bench.checker.head(track()).settled
    assert bench.checker.head(track()).roll_deg == pytest.approx(40, abs=2)


@pytest.mark.parametrize(("roll_deg", "looks"), [(15, 2), (-40, 10)])
def test_a_tilted_head_is_looked_at_more_often(roll_deg: float, looks: int) -> None:
    bench = Bench(lambda x: FACE)
    bench.network.roll_deg = lambda assumed: roll_deg
    bench.show([track()], 5)
    assert sum(bench.show([track()], 20)) == pytest.approx(looks, abs=1)


def test_an_angle_goes_once_around_at_most() -> None:
    bench = Bench(lambda x: FACE)
    bench.network.roll_deg = lambda assumed: 170 if assumed == 0 else -175
    bench.show([track()], 4)
    assert -180 <= bench.checker.head(track()).roll_deg < 180


def test_a_roll_that_never_settles_costs_a_bounded_number_of_looks() -> None:
    bench = Bench(lambda x: FACE)
    bench.network.roll_deg = lambda assumed: 30 if assumed <= 0 else -30
    assert sum(bench.show([track()], 100)) <= 10 * (MAX_BURST + 1)


def test_points_of_what_is_no_face_do_not_count() -> None:
    bench = Bench(lambda x: OTHER)
    bench.network.roll_deg = lambda assumed: 50
    bench.show([track()], 9)
    assert bench.checker.head(track()).roll_deg == 0


def test_undecided_tracks_come_first_and_all_stay_within_the_budget() -> None:
    old, new = [track(n) for n in range(10)], [track(n) for n in range(10, 20)]
    bench = Bench(lambda x: FACE, budget_ms=20.0)
    while any(bench.checker.verdict(each) is not Verdict.FACE for each in old):
        bench.show(old)
    bench.show(old, 10)
    bench.network.places.clear()
    assert max(bench.show(old + new, 30)) <= 4  # 4 ms each of 18
    first = bench.network.places[:10]
    assert sorted(first) == [float(each.key) for each in new]
    assert set(bench.network.places) == {float(each.key) for each in old + new}  # none starves


def test_without_time_one_is_looked_at_every_other_frame() -> None:
    bench = Bench(lambda x: FACE, budget_ms=0.001)
    looks = bench.show([track(n) for n in range(5)], 12)
    assert max(looks) == 1
    assert sum(looks) >= 5


def test_the_key_tells_tracks_apart_and_a_dropped_one_is_forgotten() -> None:
    bench = Bench(lambda x: FACE if x == 1 else OTHER)
    bench.show([track(1), track(2)], 5)
    assert [bench.checker.verdict(track(n)) for n in (1, 2)] == [Verdict.FACE, Verdict.OTHER]
    moved = dataclasses.replace(track(1), box=Box(300, 0, 50, 50))
    assert bench.checker.verdict(moved) is Verdict.FACE
    bench.checker.forget([track(1)])
    assert bench.checker.verdict(moved) is Verdict.UNDECIDED
