"""An alert starts after a while and ends with hysteresis, however irregular the looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from device.attention.alarm import Alarm
from device.attention.measurement import GAP_S, LOST_S
from device.messages import AttentionAlert


def alarm() -> Alarm:
    return Alarm("looking_away", 30.0, 25.0, 2.0)


def play(watched: Alarm, values: list[tuple[float, float | None]]) -> list[tuple[str, float]]:
    said: list[AttentionAlert] = []
    for time_s, value in values:
        said += watched.update(time_s, value)
    return [(alert.phase, round(alert.duration_s, 3)) for alert in said]


def every(step_s: float, *parts: tuple[float, float | None]) -> list[tuple[float, float | None]]:
    """Values for so many seconds each."""
    found, time_s = [], 0.0
    for length_s, value in parts:
        for _ in range(round(length_s / step_s)):
            found.append((time_s, value))
            time_s += step_s
    return found


def test_it_starts_after_the_hold_time_and_says_how_long_it_lasted() -> None:
    assert play(alarm(), every(0.25, (1, 0.0), (4, 40.0), (1, 0.0))) == [("start", 2.0), ("end", 4.0)]


def test_a_short_one_says_nothing() -> None:
    assert play(alarm(), every(0.25, (1, 0.0), (1.75, 40.0), (1, 0.0), (1.75, 40.0))) == []


def test_hysteresis() -> None:
    watched = alarm()
    said = play(watched, every(0.25, (3, 40.0), (5, 27.0)))
    assert said == [("start", 2.0)], "between the thresholds it stays on"
    assert play(alarm(), every(0.25, (5, 27.0))) == [], "and does not begin there"


def test_seldom_looks_judge_nothing() -> None:
    watched = alarm()
    assert play(watched, every(0.9, (30, 40.0))) == []
    assert watched.on(27.0) is None


def test_a_value_that_is_lost_ends_it_as_of_the_latest_one() -> None:
    watched = alarm()
    said = play(watched, every(0.25, (3, 40.0), (2, None)))
    assert said == [("start", 2.0), ("end", 2.75)]
    assert watched.on(5.0) is None


def test_a_gap_ends_it_too() -> None:
    assert play(alarm(), [*every(0.25, (3, 40.0)), (60.0, 40.0)]) == [("start", 2.0), ("end", 2.75)]


def test_a_blind_moment_does_not_end_it() -> None:
    values = every(0.25, (3, 40.0), (0.5, None), (1, 40.0))
    assert play(alarm(), values) == [("start", 2.0)]


def test_finish_ends_what_is_on_and_nothing_else() -> None:
    watched = alarm()
    assert watched.finish() == []
    play(watched, every(0.25, (3, 40.0)))
    assert [(alert.phase, alert.duration_s) for alert in watched.finish()] == [("end", 2.75)]
    assert watched.finish() == []


@given(st.lists(st.tuples(st.floats(0.001, 3), st.none() | st.floats(0, 90)), max_size=60))
def test_starts_and_ends_alternate_and_durations_are_true(steps: list[tuple[float, float | None]]) -> None:
    watched, time_s, said = alarm(), 0.0, []
    for step_s, value in steps:
        time_s += step_s
        said += [(time_s, alert) for alert in watched.update(time_s, value)]
        if watched.on(time_s):
            assert said[-1][1].phase == "start"
    said += [(time_s, alert) for alert in watched.finish()]
    assert [alert.phase for _, alert in said] == ["start", "end"] * (len(said) // 2)
    for at_s, alert in said:
        assert 2.0 <= alert.duration_s <= at_s
    assert 0 < GAP_S <= LOST_S
