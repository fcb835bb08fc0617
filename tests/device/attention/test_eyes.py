"""PERCLOS, blinks and the running open value on eyes whose truth is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.attention.eyes import CLOSED, USUAL, EyeHistory, OpenValue

OPEN, SHUT = 0.9, 0.05


def watched(step_s: float, seconds: float, closed: list[tuple[float, float]]) -> EyeHistory:
    """Eyes that close at these times for so long."""
    history = EyeHistory()
    for n in range(round(seconds / step_s) + 1):
        now_s = n * step_s
        shut = any(start <= now_s < start + length for start, length in closed)
        history.add(now_s, SHUT if shut else OPEN)
    return history


def test_perclos_is_the_share_of_the_last_minute() -> None:
    closures = [(float(n), 0.4) for n in range(0, 120, 2)]
    assert watched(0.2, 120, closures).perclos == pytest.approx(0.2, abs=0.01)
    assert watched(0.2, 120, [(0.0, 50.0)]).perclos == 0.0, "the minute before does not count"


def test_it_is_unknown_until_enough_was_seen() -> None:
    assert watched(0.2, 29, []).perclos is None
    assert watched(0.2, 31, []).perclos == 0.0
    history = EyeHistory()
    for n in range(600):
        history.add(n * 0.1, OPEN if n % 2 else None)  # half of the looks are blind
    assert history.perclos is None or history.perclos == 0.0


def test_gaps_do_not_count() -> None:
    history = EyeHistory()
    for n in range(400):  # two looks close to each other, closed, then a long gap
        history.add(n * 2.0, SHUT)
        history.add(n * 2.0 + 0.2, SHUT)
    assert history.perclos is None


def test_blinks_are_counted_where_the_looks_are_close_enough() -> None:
    closures = [(3.0 + 4 * n, 0.2) for n in range(30)]
    assert watched(1 / 15, 119, closures).blinks_per_min == pytest.approx(15, abs=1)
    assert watched(0.2, 119, closures).blinks_per_min is None


def test_a_long_closure_is_no_blink() -> None:
    assert watched(0.1, 60, [(10.0 * n, 1.0) for n in range(1, 6)]).blinks_per_min == 0.0


@given(st.lists(st.tuples(st.floats(0.01, 5), st.none() | st.floats(0, 1)), max_size=80))
def test_any_looks_give_shares(steps: list[tuple[float, float | None]]) -> None:
    history, now_s = EyeHistory(), 0.0
    for step_s, openness in steps:
        now_s += step_s
        history.add(now_s, openness)
        assert history.perclos is None or 0.0 <= history.perclos <= 1.0 + 1e-9
        assert history.blinks_per_min is None or history.blinks_per_min >= 0.0


def test_narrow_eyes_count_as_open_after_a_while_and_closed_ones_stay_closed() -> None:
    narrow = OpenValue()
    assert narrow.openness(0.6, 0.2) < 0.6
    for _ in range(600):
        last = narrow.openness(0.6, 0.2)
    assert last > 0.9
    asleep = OpenValue()
    assert {asleep.openness(0.1, 0.2) <= CLOSED for _ in range(3000)} == {True}


def test_wide_eyes_raise_the_open_value_quickly() -> None:
    wide = OpenValue()
    for _ in range(50):
        wide.openness(1.0, 0.2)
    assert wide.openness(USUAL, 0.2) == pytest.approx(0.87, abs=0.02)  # of eyes that open to 1.0
