"""Everybody is read sooner or later: the new first, then whoever waited longest, the uncertain counted double."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.inference.box import Box
from device.vision.face_scheduler import LATELY_S, UNCERTAIN, FaceScheduler
from device.vision.tracker import Track


def faces(*ids: int) -> list[Track]:
    return [Track(n, Box(0, 0, 50, 50), 0.9, 0.0, 0.0, 5) for n in ids]


def order(turns: FaceScheduler, time_s: float, *ids: int) -> list[int]:
    return [track.id for track in turns.order(faces(*ids), time_s)]


def test_the_new_come_first_the_oldest_of_them_before_the_others() -> None:
    turns = FaceScheduler()
    assert order(turns, 0.0, 2, 1) == [1, 2]
    turns.read(1, 0.0, True)
    assert order(turns, 50.0, 1, 2, 3) == [2, 3, 1]


def test_who_waited_longest_is_next() -> None:
    turns = FaceScheduler()
    for n, track in enumerate((3, 1, 2)):
        order(turns, float(n), 1, 2, 3)
        turns.read(track, float(n), True)
    assert order(turns, 3.0, 1, 2, 3) == [3, 1, 2]


def test_an_uncertain_face_waits_half_as_long() -> None:
    turns = FaceScheduler()
    order(turns, 0.0, 1, 2)
    turns.read(1, 0.0, True)
    order(turns, 5.0, 1, 2)
    turns.read(2, 5.0, False)
    assert order(turns, 9.0, 1, 2) == [1, 2]  # 9 s against 2 x 4 s
    assert order(turns, 11.0, 1, 2) == [2, 1]  # 11 s against 2 x 6 s
    assert UNCERTAIN == 2.0


def test_only_time_in_view_is_waiting() -> None:
    turns = FaceScheduler()
    order(turns, 0.0, 1, 2)
    turns.read(1, 0.0, True)
    turns.read(2, 0.0, True)
    order(turns, 1.0, 2)
    order(turns, 9.0, 1, 2)
    assert order(turns, 10.0, 1, 2) == [2, 1]
    turns.read(1, 10.0, True)
    figures = turns.figures()
    assert figures is not None and figures.longest_wait_s == 1.0


def test_figures_tell_the_rate_and_the_longest_wait() -> None:
    turns = FaceScheduler()
    for n in range(5):
        order(turns, 0.5 * n, 1, 2)
        turns.read(1, 0.5 * n, True)
    turns.read(2, 2.0, True)
    figures = turns.figures()
    assert figures is not None
    assert figures.rate_hz == pytest.approx(5 / 4)  # four waits of 0.5 s, one of 2 s
    assert figures.longest_wait_s == 2.0


def test_figures_forget_what_is_long_ago() -> None:
    turns = FaceScheduler()
    assert turns.figures() is None
    for time_s in (0.0, 1.0, 5.0, 6.0):
        order(turns, time_s, 1)
        turns.read(1, time_s, True)
    order(turns, 1.0 + LATELY_S, 1)
    figures = turns.figures()
    assert figures is not None and figures.longest_wait_s == 4.0
    order(turns, 5.5 + LATELY_S)
    figures = turns.figures()
    assert figures is not None and (figures.rate_hz, figures.longest_wait_s) == (1.0, 1.0)
    order(turns, 6.5 + LATELY_S)
    assert turns.figures() is None


def test_a_track_that_ended_is_forgotten() -> None:
    turns = FaceScheduler()
    order(turns, 0.0, 1, 2)
    turns.read(1, 1.0, True)
    turns.read(2, 1.5, True)
    turns.forget(1)
    turns.forget(9)
    assert order(turns, 2.0, 1, 2) == [1, 2]  # as if it came now


@given(st.integers(1, 12), st.integers(1, 5), st.data())
def test_nobody_starves(count: int, a_frame: int, data: st.DataObject) -> None:
    """However sure the others are or are not: a face waits at most twice what strict turns would make it wait."""
    turns, waits = FaceScheduler(), dict.fromkeys(range(count), 0)
    longest = 0
    for frame in range(60):
        chosen = order(turns, frame / 10, *range(count))[:a_frame]
        waits = {n: 0 if n in chosen else wait + 1 for n, wait in waits.items()}
        longest = max(longest, *waits.values())
        for n in chosen:
            turns.read(n, frame / 10, data.draw(st.booleans()))
    assert longest <= UNCERTAIN * -(-count // a_frame)
