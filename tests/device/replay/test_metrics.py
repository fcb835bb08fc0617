"""Flips, delays and shares of time, on recordings small enough to count by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import SmootherConfig
from device.errors import UsageError
from device.messages import UNKNOWN
from device.replay.metrics import NOBODY, Look, Recording, Segment, Verdict, judge, steadied, unsteadied

LABELS = ("angry", "happy")
SURE = {"angry": (0.9, 0.1), "happy": (0.1, 0.9), "nobody": ()}


def recording(seen: str, segments: list[tuple[float, float, str]], step_s: float = 1.0) -> Recording:
    """One letter a frame: a(ngry), h(appy), or - for no face."""
    names = {"a": "angry", "h": "happy", "-": "nobody"}
    looks = [
        Look(n * step_s, NOBODY if letter == "-" else 1, SURE[names[letter]], 100.0) for n, letter in enumerate(seen)
    ]
    return Recording("clip", LABELS, tuple(looks), tuple(Segment(*each) for each in segments))


def said(words: str) -> list[str]:
    return [{"a": "angry", "h": "happy", "-": UNKNOWN}[letter] for letter in words]


def verdict(words: str, segments: list[tuple[float, float, str]], step_s: float = 1.0) -> Verdict:
    """Of words that were said, one a frame."""
    return judge([recording("a" * len(words), segments, step_s)], lambda _: said(words))


def test_a_perfect_reading() -> None:
    found = verdict("aaahhh", [(0, 3, "angry"), (3, 6, "happy")])
    assert found == Verdict(
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
    found = verdict("--aaahhhhh", [(0, 4, "angry"), (4, 10, "happy")])
    assert (found.delay_p50_s, found.named) == (1.5, 1.0)  # 2 s and 1 s
    assert found.delay_p95_s == pytest.approx(1.95)
    assert (found.right, found.wrong, found.unknown) == pytest.approx((0.7, 0.1, 0.2))
    assert (found.flips, found.restless) == (2, 0.0)


def test_coming_back_from_unknown_is_a_flip_and_going_there_is_none() -> None:
    found = verdict("a-a-a", [(0, 5, "angry")])
    assert (found.flips, found.changes, found.flips_per_change, found.restless) == (3, 1, 3.0, 1.0)
    assert found.unknown == pytest.approx(0.4)
    assert verdict("aaa--", [(0, 5, "angry")]).flips == 1


def test_a_label_that_is_never_said_has_no_delay() -> None:
    found = verdict("hhhh", [(0, 4, "angry")])
    assert (found.named, found.delay_p50_s, found.delay_p95_s, found.wrong) == (0.0, None, None, 1.0)
    half = verdict("hhhh", [(0, 2, "angry"), (2, 4, "happy")])
    assert (half.named, half.delay_p50_s) == (0.5, 0.0)


def test_time_without_a_label_does_not_count() -> None:
    found = verdict("hahahaaahh", [(5, 8, "angry")])
    assert (found.changes, found.flips, found.right) == (1, 1, 1.0)
    assert found.minutes == pytest.approx(3 / 60)


def test_segments_may_begin_between_two_frames() -> None:
    found = verdict("aaaa", [(0.5, 2.25, "angry")])
    assert found.minutes == pytest.approx(1.75 / 60)
    assert (found.right, found.delay_p50_s, found.flips) == (1.0, 0.0, 0)


def test_the_last_frame_lasts_as_long_as_the_one_before_it() -> None:
    assert verdict("aa", [(0, 100, "angry")], step_s=0.5).minutes == pytest.approx(1 / 60)


def test_the_same_label_twice_running_is_no_change() -> None:
    found = verdict("aaaa", [(0, 2, "angry"), (2, 4, "angry")])
    assert (found.changes, found.flips) == (1, 1)


def test_recordings_are_taken_together() -> None:
    one, other = (recording(each, [(0, 2, "angry")]) for each in ("aa", "hh"))
    found = judge([one, other], unsteadied)
    assert (found.changes, found.right, found.wrong, found.named) == (2, 0.5, 0.5, 0.5)


@pytest.mark.parametrize("segments", [[], [(10, 20, "angry")]])
def test_nothing_labelled_is_refused(segments: list[tuple[float, float, str]]) -> None:
    with pytest.raises(UsageError, match=r"check start_s and end_s\.$"):
        verdict("aaa", segments)
    with pytest.raises(UsageError):
        judge([recording("", segments)], unsteadied)


def test_the_network_alone_says_the_likeliest_label_of_each_frame() -> None:
    assert unsteadied(recording("ah-a", [])) == ["angry", "happy", UNKNOWN, "angry"]


def test_a_smoother_sees_what_the_chain_would_show_it() -> None:
    say = steadied(SmootherConfig(kind="none", enter=0.8, leave=0.2, dwell_s=0.0))
    assert say(recording("ah-a", [])) == ["angry", "happy", UNKNOWN, "angry"]
    slow = steadied(SmootherConfig())(recording("a" * 30 + "h" * 30, [], 1 / 15))
    assert [word for word, _ in itertools.groupby(slow)][:2] == [UNKNOWN, "angry"]
    assert slow == steadied(SmootherConfig())(recording("a" * 30 + "h" * 30, [], 1 / 15))  # nothing is kept


@given(st.text("ah-", min_size=2, max_size=40), st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_shares_make_one_and_flips_are_bounded(words: str, lengths: list[int]) -> None:
    ends = list(itertools.accumulate(lengths, initial=0))
    segments = [(float(a), float(b), LABELS[n % 2]) for n, (a, b) in enumerate(itertools.pairwise(ends))]
    found = verdict(words, segments)
    assert found.right + found.wrong + found.unknown == pytest.approx(1)
    assert min(found.right, found.wrong, found.unknown) >= -1e-9
    assert found.flips <= len(words)
    assert found.minutes * 60 == pytest.approx(min(len(words), ends[-1]))
