"""Flips, delays and shares of time, on recordings small enough to count by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import SmootherConfig
from device.errors import UsageError
from device.messages import UNKNOWN
from device.replay.metrics import (
    NO_TRACK,
    FrameScores,
    Metrics,
    Recording,
    Segment,
    evaluate,
    raw_labels,
    smoothed_labels,
)

LABELS = ("angry", "happy")
SCORES = {"a": (0.9, 0.1), "h": (0.1, 0.9), "-": ()}


def recording(letters: str, segments: list[tuple[float, float, str]], step_s: float = 1.0) -> Recording:
    """One letter a frame: a(ngry), h(appy), or - for no face."""
    frames = [
        FrameScores(n * step_s, NO_TRACK if letter == "-" else 1, SCORES[letter], 100.0)
        for n, letter in enumerate(letters)
    ]
    return Recording("clip", LABELS, tuple(frames), tuple(Segment(*each) for each in segments))


def predicted(letters: str) -> list[str]:
    return [{"a": "angry", "h": "happy", "-": UNKNOWN}[letter] for letter in letters]


def metrics(letters: str, segments: list[tuple[float, float, str]], step_s: float = 1.0) -> Metrics:
    """Of predicted labels, one letter a frame; - is unknown."""
    return evaluate([recording("a" * len(letters), segments, step_s)], lambda _: predicted(letters))


def test_a_perfect_prediction() -> None:
    found = metrics("aaahhh", [(0, 3, "angry"), (3, 6, "happy")])
    assert found == Metrics(
        minutes=0.1,
        changes=2,
        flips=2,
        flips_per_minute=20.0,
        flips_per_change=1.0,
        restless=0.0,
        named=1.0,
        delay_p50_s=0.0,
        delay_p95_s=0.0,
        right=1.0,
        wrong=0.0,
        unknown=0.0,
    )


def test_delays_are_from_the_start_of_each_segment() -> None:
    found = metrics("--aaahhhhh", [(0, 4, "angry"), (4, 10, "happy")])
    assert (found.delay_p50_s, found.named) == (1.5, 1.0)  # 2 s and 1 s
    assert found.delay_p95_s == pytest.approx(1.95)
    assert (found.right, found.wrong, found.unknown) == pytest.approx((0.7, 0.1, 0.2))
    assert (found.flips, found.restless) == (2, 0.0)


def test_a_change_from_unknown_is_a_flip_and_a_change_to_unknown_is_not() -> None:
    found = metrics("a-a-a", [(0, 5, "angry")])
    assert (found.flips, found.changes, found.flips_per_change, found.restless) == (3, 1, 3.0, 1.0)
    assert found.unknown == pytest.approx(0.4)
    assert metrics("aaa--", [(0, 5, "angry")]).flips == 1


def test_a_label_that_is_never_predicted_has_no_delay() -> None:
    found = metrics("hhhh", [(0, 4, "angry")])
    assert (found.named, found.delay_p50_s, found.delay_p95_s, found.wrong) == (0.0, None, None, 1.0)
    half = metrics("hhhh", [(0, 2, "angry"), (2, 4, "happy")])
    assert (half.named, half.delay_p50_s) == (0.5, 0.0)


def test_time_without_a_label_does_not_count() -> None:
    found = metrics("hahahaaahh", [(5, 8, "angry")])
    assert (found.changes, found.flips, found.right) == (1, 1, 1.0)
    assert found.minutes == pytest.approx(3 / 60)


def test_segments_may_start_between_two_frames() -> None:
    found = metrics("aaaa", [(0.5, 2.25, "angry")])
    assert found.minutes == pytest.approx(1.75 / 60)
    assert (found.right, found.delay_p50_s, found.flips) == (1.0, 0.0, 0)


def test_the_last_frame_lasts_as_long_as_the_one_before_it() -> None:
    assert metrics("aa", [(0, 100, "angry")], step_s=0.5).minutes == pytest.approx(1 / 60)


def test_the_same_label_in_two_segments_is_no_change() -> None:
    found = metrics("aaaa", [(0, 2, "angry"), (2, 4, "angry")])
    assert (found.changes, found.flips) == (1, 1)


def test_recordings_are_evaluated_together() -> None:
    one, other = (recording(each, [(0, 2, "angry")]) for each in ("aa", "hh"))
    found = evaluate([one, other], raw_labels)
    assert (found.changes, found.right, found.wrong, found.named) == (2, 0.5, 0.5, 0.5)


def test_a_share_of_nothing_is_zero_and_not_a_little_less() -> None:
    found = metrics("-" * 14 + "h" * 61, [(0, 5, "happy")], step_s=1 / 15)
    assert (found.wrong, f"{found.wrong:.1%}") == (0.0, "0.0%")
    assert found.right > 0.8 and found.unknown > 0.18


@pytest.mark.parametrize("segments", [[], [(10, 20, "angry")]])
def test_no_frame_in_a_labelled_segment_is_an_error(segments: list[tuple[float, float, str]]) -> None:
    with pytest.raises(UsageError, match=r"check start_s and end_s in the labels file\.$"):
        metrics("aaa", segments)
    with pytest.raises(UsageError):
        evaluate([recording("", segments)], raw_labels)


def test_raw_labels_have_the_highest_score_of_each_frame() -> None:
    assert raw_labels(recording("ah-a", [])) == ["angry", "happy", UNKNOWN, "angry"]


def test_smoothed_labels_are_those_of_a_new_smoother() -> None:
    labeller = smoothed_labels(SmootherConfig(kind="none", enter=0.8, leave=0.2, dwell_s=0.0))
    assert labeller(recording("ah-a", [])) == ["angry", "happy", UNKNOWN, "angry"]
    slow = smoothed_labels(SmootherConfig())(recording("a" * 30 + "h" * 30, [], 1 / 15))
    assert [label for label, _ in itertools.groupby(slow)][:2] == [UNKNOWN, "angry"]
    assert slow == smoothed_labels(SmootherConfig())(recording("a" * 30 + "h" * 30, [], 1 / 15))  # no state is kept


@given(st.text("ah-", min_size=2, max_size=40), st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_shares_sum_to_one_and_flips_are_bounded(letters: str, lengths: list[int]) -> None:
    ends = list(itertools.accumulate(lengths, initial=0))
    segments = [(float(a), float(b), LABELS[n % 2]) for n, (a, b) in enumerate(itertools.pairwise(ends))]
    found = metrics(letters, segments)
    assert found.right + found.wrong + found.unknown == pytest.approx(1)
    assert min(found.right, found.wrong, found.unknown) >= -1e-9
    assert found.flips <= len(letters)
    assert found.minutes * 60 == pytest.approx(min(len(letters), ends[-1]))
