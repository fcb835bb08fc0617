"""No face starves: new ones first, then by the wait, which counts double for uncertain ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.inference.box import Box
from device.vision.face_scheduler import UNCERTAIN, WINDOW_S, FaceScheduler
from device.vision.tracker import Track


def faces(*ids: int) -> list[Track]:
    return [Track(n, Box(0, 0, 50, 50), 0.9, 0.0, 0.0, 5) for n in ids]


def order(scheduler: FaceScheduler, time_s: float, *ids: int) -> list[int]:
    return [track.id for track in scheduler.order(faces(*ids), time_s)]


def test_new_faces_come_first_in_the_order_of_their_ids() -> None:
    scheduler = FaceScheduler()
    assert order(scheduler, 0.0, 2, 1) == [1, 2]
    scheduler.classified(1, 0.0, True)
    assert order(scheduler, 50.0, 1, 2, 3) == [2, 3, 1]


def test_the_longest_wait_is_next() -> None:
    scheduler = FaceScheduler()
    for n, track in enumerate((3, 1, 2)):
        order(scheduler, float(n), 1, 2, 3)
        scheduler.classified(track, float(n), True)
    assert order(scheduler, 3.0, 1, 2, 3) == [3, 1, 2]


def test_an_uncertain_face_waits_half_as_long() -> None:
    scheduler = FaceScheduler()
    order(scheduler, 0.0, 1, 2)
    scheduler.classified(1, 0.0, True)
    order(scheduler, 5.0, 1, 2)
    scheduler.classified(2, 5.0, False)
    assert order(scheduler, 9.0, 1, 2) == [1, 2]  # 9 s against 2 x 4 s
    assert order(scheduler, 11.0, 1, 2) == [2, 1]  # 11 s against 2 x 6 s
    assert UNCERTAIN == 2.0


def test_only_time_in_view_counts_as_a_wait() -> None:
    scheduler = FaceScheduler()
    order(scheduler, 0.0, 1, 2)
    scheduler.classified(1, 0.0, True)
    scheduler.classified(2, 0.0, True)
    order(scheduler, 1.0, 2)
    order(scheduler, 9.0, 1, 2)
    assert order(scheduler, 10.0, 1, 2) == [2, 1]
    scheduler.classified(1, 10.0, True)
    figures = scheduler.figures()
    assert figures is not None and figures.longest_wait_s == 1.0


def test_figures_hold_the_rate_and_the_longest_wait() -> None:
    scheduler = FaceScheduler()
    for n in range(5):
        order(scheduler, 0.5 * n, 1, 2)
        scheduler.classified(1, 0.5 * n, True)
    scheduler.classified(2, 2.0, True)
    figures = scheduler.figures()
    assert figures is not None
    assert figures.rate_hz == pytest.approx(5 / 4)  # four waits of 0.5 s, one of 2 s
    assert figures.longest_wait_s == 2.0


def test_figures_drop_old_waits() -> None:
    scheduler = FaceScheduler()
    assert scheduler.figures() is None
    for time_s in (0.0, 1.0, 5.0, 6.0):
        order(scheduler, time_s, 1)
        scheduler.classified(1, time_s, True)
    order(scheduler, 1.0 + WINDOW_S, 1)
    figures = scheduler.figures()
    assert figures is not None and figures.longest_wait_s == 4.0
    order(scheduler, 5.5 + WINDOW_S)
    figures = scheduler.figures()
    assert figures is not None and (figures.rate_hz, figures.longest_wait_s) == (1.0, 1.0)
    order(scheduler, 6.5 + WINDOW_S)
    assert scheduler.figures() is None


def test_a_track_that_ended_is_forgotten() -> None:
    scheduler = FaceScheduler()
    order(scheduler, 0.0, 1, 2)
    scheduler.classified(1, 1.0, True)
    scheduler.classified(2, 1.5, True)
    scheduler.forget(1)
    scheduler.forget(9)
    assert order(scheduler, 2.0, 1, 2) == [1, 2]  # as if it came now


@given(st.integers(1, 12), st.integers(1, 5), st.data())
def test_no_face_starves(count: int, a_frame: int, data: st.DataObject) -> None:
    """A face waits at most twice as long as with a strict rotation, whatever the labels are."""
    scheduler, waits = FaceScheduler(), dict.fromkeys(range(count), 0)
    longest = 0
    for frame in range(60):
        chosen = order(scheduler, frame / 10, *range(count))[:a_frame]
        waits = {n: 0 if n in chosen else wait + 1 for n, wait in waits.items()}
        longest = max(longest, *waits.values())
        for n in chosen:
            scheduler.classified(n, frame / 10, data.draw(st.booleans()))
    assert longest <= UNCERTAIN * -(-count // a_frame)
