"""One face: values, alerts, gaps, clock jumps."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.attention import FaceAttention, Measurement
from device.config.schema import AttentionConfig
from device.messages import AttentionAlert

AHEAD = Measurement(0.0, 0.0, 0.0, 0.9, 0.0)
CLOSED = Measurement(0.0, 0.0, 0.0, 0.05, 0.0)
YAWN = Measurement(0.0, 0.0, 0.0, 0.9, 0.9)
ASIDE = Measurement(-50.0, 0.0, 0.0, None, 0.0)
DOWN = Measurement(0.0, -40.0, 0.0, None, 0.0)
NOTHING = Measurement()
STEP_S = 0.2


def play(face: FaceAttention, *parts: tuple[float, Measurement], start_s: float = 0.0) -> list[tuple[str, str]]:
    said: list[AttentionAlert] = []
    clock = itertools.count()
    for length_s, seen in parts:
        for _ in range(round(length_s / STEP_S)):
            said += face.update(start_s + STEP_S * next(clock), seen)
    return [(alert.kind, alert.phase) for alert in said]


@pytest.fixture
def face() -> FaceAttention:
    return FaceAttention(AttentionConfig())


@pytest.mark.parametrize(
    ("seen", "kind"), [(CLOSED, "eyes_closed"), (YAWN, "yawn"), (ASIDE, "looking_away"), (DOWN, "looking_away")]
)
def test_each_alert_starts_and_ends(face: FaceAttention, seen: Measurement, kind: str) -> None:
    assert play(face, (3, AHEAD), (4, seen), (3, AHEAD)) == [(kind, "start"), (kind, "end")]


def test_flags_follow_the_alerts(face: FaceAttention) -> None:
    play(face, (3, AHEAD), (3, CLOSED))
    now = face.state(5.8)
    assert (now.eyes_closed, now.yawning, now.looking_away) == (True, False, False)
    assert now.eye_openness is not None and now.eye_openness < 0.2


def test_a_blink_is_no_alert(face: FaceAttention) -> None:
    assert play(face, (3, AHEAD), (0.4, CLOSED), (3, AHEAD)) == []


def test_drowsy_eyes(face: FaceAttention) -> None:
    closing = [(0.4, CLOSED), (1.6, AHEAD)] * 40  # a fifth of the time
    said = play(face, *closing, (70, AHEAD))
    assert said == [("drowsy", "start"), ("drowsy", "end")]


def test_what_cannot_be_measured_is_null(face: FaceAttention) -> None:
    play(face, (3, AHEAD), (3, NOTHING))
    now = face.state(5.8)
    assert set(vars(now).values()) == {None}


def test_an_old_look_says_nothing_of_now(face: FaceAttention) -> None:
    play(face, (40, AHEAD))
    now = face.state(60.0)
    assert (now.yaw_deg, now.facing, now.eyes_closed, now.eye_openness) == (None,) * 4
    assert now.perclos == 0.0


def test_who_leaves_ends_the_alerts(face: FaceAttention) -> None:
    assert play(face, (3, AHEAD), (3, ASIDE)) == [("looking_away", "start")]
    assert [(alert.kind, alert.phase) for alert in face.finish()] == [("looking_away", "end")]
    assert face.finish() == []


def test_a_clock_that_jumps_back_ends_the_alerts_and_starts_anew(face: FaceAttention) -> None:
    assert play(face, (3, AHEAD), (3, ASIDE), start_s=1000.0) == [("looking_away", "start")]
    assert play(face, (1, ASIDE)) == [("looking_away", "end")]
    assert play(face, (4, ASIDE), start_s=1.0) == [("looking_away", "start")]


def test_the_same_moment_twice_counts_once(face: FaceAttention) -> None:
    assert [face.update(1.0, seen) for seen in (AHEAD, CLOSED)] == [[], []]
    assert face.state(1.0).eye_openness == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("yaw", "pitch", "facing"), [(0, 0, 1.0), (30, 0, 0.73), (0, -30, 0.73), (60, 0, 0.0), (80, 50, 0)]
)
def test_facing(yaw: float, pitch: float, facing: float) -> None:
    assert Measurement(yaw, pitch).facing == pytest.approx(facing, abs=0.005)
    assert Measurement(-yaw, -pitch).facing == pytest.approx(facing, abs=0.005)


values = st.none() | st.floats(-90, 90)
shares = st.none() | st.floats(0, 1)
looks = st.builds(Measurement, values, values, values, shares, shares)


@given(st.lists(st.tuples(st.floats(-5, 5), looks), max_size=60))
def test_any_looks_at_any_times_give_valid_states(steps: list[tuple[float, Measurement]]) -> None:
    face, time_s = FaceAttention(AttentionConfig()), 100.0
    on: set[str] = set()
    for step_s, seen in steps:
        time_s += step_s
        for alert in face.update(time_s, seen):
            assert (alert.kind in on) is (alert.phase == "end") and alert.duration_s >= 0
            on ^= {alert.kind}
        now = face.state(time_s)
        for name in ("eye_openness", "facing", "perclos"):
            value = getattr(now, name)
            assert value is None or -1e-9 <= value <= 1 + 1e-9
    assert {alert.kind for alert in face.finish()} == on
