"""The smoothed label: steady, "unknown" when uncertain, and the same at any frame rate."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from device.config.schema import SmootherConfig
from device.errors import ConfigError
from device.messages import UNKNOWN
from device.vision import filters
from device.vision.filters import Belief
from device.vision.filters.ema import exponential_filter
from device.vision.filters.hmm import FLOOR, MAX_EVIDENCE, RECENT_S, forward_filter, prior_of
from device.vision.smoother import Reading, Smoother, make_smoother

LABELS = ("angry", "happy", "neutral")
KINDS = ("ema", "hmm")  # the filters; "none" has a test of its own
SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LARGE = 100.0  # a face of that many pixels


def sure(label: str, score: float = 0.9) -> NDArray[np.float64]:
    scores = np.full(len(LABELS), (1 - score) / (len(LABELS) - 1))
    scores[LABELS.index(label)] = score
    return scores


def run(smoother: Smoother, script: list[NDArray[np.float64]], fps: float = 15.0, track: int = 1) -> list[Reading]:
    return [smoother.update(track, scores, n / fps, LARGE) for n, scores in enumerate(script)]


def smoother(kind: str = "ema", **settings: float) -> Smoother:
    return make_smoother(SmootherConfig(kind=kind, **settings), LABELS)  # type: ignore[arg-type]


# ---- examples, for both filters


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_is_unknown_at_first_and_then_has_a_label(kind: str) -> None:
    readings = run(smoother(kind, neutral_odds=1.0), [sure("happy")] * 30)
    assert (readings[0].emotion, readings[0].previous, readings[0].changed) == (UNKNOWN, None, False)
    assert readings[0].scores == pytest.approx([1 / 3] * 3)
    assert readings[0].confidence == pytest.approx(1 / 3)
    assert readings[-1].emotion == "happy"
    (change,) = [reading for reading in readings if reading.changed]
    assert (change.previous, change.emotion) == (UNKNOWN, "happy")
    assert readings[-1].previous == UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
def test_one_odd_frame_changes_nothing(kind: str) -> None:
    script = [sure("happy")] * 30 + [sure("angry", 0.99)] + [sure("happy")] * 30
    assert sum(reading.changed for reading in run(smoother(kind), script)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_lasting_change_is_one_change(kind: str) -> None:
    readings = run(smoother(kind), [sure("happy")] * 45 + [sure("angry")] * 45)
    assert [reading.emotion for reading in readings if reading.changed][-1] == "angry"
    assert readings[-1].emotion == "angry"
    assert sum(reading.changed for reading in readings) <= 3  # by way of unknown, at most


@pytest.mark.parametrize("kind", KINDS)
def test_an_ambiguous_face_becomes_unknown(kind: str) -> None:
    readings = run(smoother(kind, leave=0.45), [sure("happy")] * 30 + [np.full(3, 1 / 3)] * 90)
    assert readings[29].emotion == "happy"
    assert readings[-1].emotion == UNKNOWN
    assert readings[-1].previous == "happy"


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_too_small_is_unknown(kind: str) -> None:
    small = smoother(kind, min_face_px=32, leave=0.45)
    assert [small.update(1, sure("happy"), n / 15, 31.9).emotion for n in range(60)] == [UNKNOWN] * 60
    assert run(small, [sure("happy")] * 60, track=2)[-1].emotion == "happy"
    readings = [small.update(2, sure("happy"), 4 + n / 15, 10.0) for n in range(90)]
    assert [(reading.previous, reading.emotion) for reading in readings if reading.changed] == [("happy", UNKNOWN)]


@pytest.mark.parametrize("kind", KINDS)
def test_tracks_are_independent_and_can_be_forgotten(kind: str) -> None:
    together, alone = smoother(kind), smoother(kind)
    for n in range(30):
        first = together.update(1, sure("happy"), n / 15, LARGE)
        together.update(2, sure("angry"), n / 15, LARGE)
        assert first == alone.update(1, sure("happy"), n / 15, LARGE)
    together.forget(1)
    together.forget(99)
    assert together.update(1, sure("happy"), 2.0, LARGE).emotion == UNKNOWN
    assert together.update(2, sure("angry"), 2.0, LARGE).emotion == "angry"


def test_the_exponential_filter_follows_a_step_by_its_time_constant() -> None:
    reading = run(smoother(time_constant_s=1.0), [np.array([0.0, 1.0, 0.0])] * 16, fps=15)[-1]
    assert reading.scores[1] == pytest.approx(1 - math.exp(-1) * 2 / 3)


def test_the_forward_filter_grows_surer_with_more_frames() -> None:
    seen = run(smoother("hmm", time_constant_s=0.5), [sure("happy", 0.6)] * 60)
    assert seen[-1].confidence > 0.75  # more than the score of any single frame
    assert list(np.diff([reading.scores[1] for reading in seen])) == pytest.approx([0] * 59, abs=0.12)


def test_a_score_of_zero_does_not_exclude_a_label_for_good() -> None:
    script = [np.array([0.0, 1.0, 0.0])] * 150 + [np.array([1.0, 0.0, 0.0])] * 150
    assert run(smoother("hmm"), script)[-1].emotion == "angry"


@pytest.mark.parametrize("kind", KINDS)
def test_time_that_stops_or_runs_back_is_harmless(kind: str) -> None:
    steady = smoother(kind)
    readings = [steady.update(1, sure("happy"), time_s, LARGE) for time_s in (0.0, 5.0, 5.0, 4.0, 4.5, 5.1)]
    assert readings[-1].emotion == "happy"
    assert all(sum(reading.scores) == pytest.approx(1) for reading in readings)


def bare(**settings: float) -> Smoother:
    """No filter: the thresholds apply to the scores as given."""
    return smoother("none", **{"enter": 0.5, "leave": 0.25, "dwell_s": 0.0} | settings)


def test_a_confidence_equal_to_the_threshold_is_enough() -> None:
    reading = bare().update(1, [0.25, 0.5, 0.25], 0.0, LARGE)
    assert reading.emotion == "happy"
    steady = bare()
    steady.update(1, [0.0, 1.0, 0.0], 0.0, LARGE)
    assert steady.update(1, [0.25, 0.25, 0.5], 1.0, LARGE).emotion == "neutral"
    steady.update(1, [0.0, 1.0, 0.0], 2.0, LARGE)
    kept = steady.update(1, [0.375, 0.25, 0.375], 3.0, LARGE)
    assert (kept.emotion, kept.confidence) == ("happy", 0.25)  # its own, though others are likelier
    assert steady.update(1, [0.4, 0.2, 0.4], 4.0, LARGE).emotion == UNKNOWN


def test_a_label_may_change_when_its_dwell_is_just_over() -> None:
    steady = bare(dwell_s=0.5)
    steady.update(1, [0.0, 1.0, 0.0], 0.0, LARGE)
    assert steady.update(1, [1.0, 0.0, 0.0], 0.25, LARGE).emotion == "happy"
    assert steady.update(1, [1.0, 0.0, 0.0], 0.5, LARGE).emotion == "angry"


def test_entering_and_leaving_may_be_one_threshold() -> None:
    steady = bare(enter=0.5, leave=0.5)
    assert steady.update(1, [0.0, 1.0, 0.0], 0.0, LARGE).emotion == "happy"


def test_a_face_is_stale_only_after_its_time() -> None:
    steady = smoother("ema", stale_s=2.0)
    scores = run(steady, [sure("happy")] * 45, fps=16)[-1].scores  # whose times are exact
    assert steady.wait(1, 2.75 + 2.0, LARGE).scores == scores
    assert steady.wait(1, 2.75 + 2.0625, LARGE).scores != scores


@pytest.mark.parametrize("leave", [0.0, 0.1, 0.16, 0.35])
@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_a_stale_face_becomes_unknown_whatever_leave_is(kind: str, leave: float) -> None:
    steady = make_smoother(SmootherConfig(kind=kind, leave=leave), SEVEN)
    assert run(steady, [np.array([0.01] * 6 + [0.94])] * 300)[-1].emotion == "neutral"
    assert [steady.wait(1, 20 + n / 15, LARGE).emotion for n in range(900)][-1] == UNKNOWN


def test_a_belief_without_evidence_decays_as_expressions_change() -> None:
    """States that last two seconds: P(same) = 1/K + (1 - 1/K) exp(-t/stay K/(K-1))."""
    sure_of_one = Belief(np.array([1.0, 0.0, 0.0]))
    believed = forward_filter(2.0, 0.7, 6.0)(sure_of_one, np.full(3, 1 / 3), 1.5, 1.0).scores
    assert believed[0] == pytest.approx(1 / 3 + 2 / 3 * math.exp(-1.5 / 2 * 3 / 2))
    assert believed[1] == pytest.approx(believed[2])


def test_a_prediction_counts_once_however_long_the_wait_was() -> None:
    filtered = forward_filter(1e9, 0.7, 0.0)
    scores, nothing = np.array([0.6, 0.3, 0.1]), Belief(np.full(3, 1 / 3))
    for waited_s in (0.7, 1.4, 100.0):
        wanted = (scores + FLOOR) / (scores + FLOOR).sum()
        assert filtered(nothing, scores, waited_s, 1.0).scores == pytest.approx(wanted, abs=1e-6)
    assert filtered(nothing, scores, 0.35, 1.0).scores[0] < 0.6


def test_a_reading_counts_more_while_it_differs_from_those_before() -> None:
    """A change is heard soon; a doubtful reading that goes on makes the belief no surer."""

    def changed(weight: float) -> float:
        script = [sure("happy")] * 30 + [sure("angry")] * 4
        return run(smoother("hmm", change_weight=weight), script)[-1].scores[0]

    assert changed(20.0) > changed(7.0) > 0.4 > 2 * changed(0.0)
    doubtful = [np.array([0.25, 0.35, 0.4])] * 30
    alike, more = (
        [reading.scores for reading in run(smoother("hmm", change_weight=weight), doubtful)] for weight in (0.0, 6.0)
    )
    assert more == alike


def test_a_reading_that_differs_counts_for_less_than_an_independent_one() -> None:
    filtered, belief = forward_filter(1e9, 0.5, 1000.0), Belief(np.full(3, 1 / 3))
    scores = np.array([0.98, 0.01, 0.01])
    for waited_s, counts in ((0.1, MAX_EVIDENCE), (0.3, MAX_EVIDENCE), (0.4, 0.8), (0.5, 1.0)):
        wanted = (scores + FLOOR) ** counts / ((scores + FLOOR) ** counts).sum()
        assert filtered(belief, scores, waited_s, 1.0).scores == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("fps", [5, 7, 10, 15, 30])
@pytest.mark.parametrize("held", [0.6, 0.8, 0.95, 0.99])
def test_one_odd_frame_changes_nothing_at_any_frame_rate(fps: float, held: float) -> None:
    happy, odd = (
        np.array([score if name == label else (1 - score) / 6 for name in SEVEN])
        for label, score in (("happy", held), ("sad", 0.995))
    )
    script = [happy] * int(5 * fps) + [odd] + [happy] * int(2 * fps)
    readings = run(make_smoother(SmootherConfig(), SEVEN), script, fps)
    assert [reading.emotion for reading in readings if reading.changed] == ["happy"]


@pytest.mark.parametrize("kind", KINDS)
def test_two_labels_that_are_almost_equally_likely_do_not_alternate(kind: str) -> None:
    steady = make_smoother(SmootherConfig(kind=kind, time_constant_s=0.05), ("bored", "engaged"))
    doubtful = [np.array([0.5 - bias, 0.5 + bias]) for bias in (0.03, -0.03)] * 60
    assert not any(reading.changed for reading in run(steady, doubtful))
    script = [np.array([0.1, 0.9])] * 30 + doubtful
    readings = run(make_smoother(SmootherConfig(kind=kind), ("bored", "engaged")), script)
    assert [reading.emotion for reading in readings if reading.changed] == ["engaged"]


def test_a_face_that_was_not_read_is_rather_neutral() -> None:
    prior = prior_of(SEVEN, 2.0, 0.35)
    assert prior[SEVEN.index("neutral")] == pytest.approx(2 / 8) and prior[0] == pytest.approx(1 / 8)
    assert prior_of(("bored", "engaged"), 2.0, 0.35) == pytest.approx([0.5, 0.5])  # labels of another model
    assert prior_of(LABELS, 9.0, 0.4) == pytest.approx([0.3, 0.3, 0.4])  # not above `leave`
    assert prior_of(LABELS, 9.0, 0.1) == pytest.approx([1 / 3] * 3)
    scores = [0.05, 0.01, 0.05, 0.02, 0.45, 0.02, 0.40]  # sad by a little
    steady = make_smoother(SmootherConfig(neutral_odds=3.0), SEVEN)
    readings = [steady.update(1, scores, n / 15, LARGE) for n in range(30)]
    assert readings[0].scores == pytest.approx(prior_of(SEVEN, 3.0, 0.35))
    assert readings[15].scores[6] > readings[15].scores[4]
    assert [steady.update(1, scores, n / 15, LARGE).emotion for n in range(30, 300)][-1] == "sad"


@pytest.mark.parametrize("labels", [SEVEN, LABELS, ("smiling", "neutral")])
def test_a_neutral_face_that_is_no_longer_read_becomes_unknown(labels: tuple[str, ...]) -> None:
    steady = make_smoother(SmootherConfig(leave=0.55 if len(labels) == 2 else 0.35, enter=0.6), labels)
    scores = [0.9 if label == "neutral" else 0.1 / (len(labels) - 1) for label in labels]
    assert [steady.update(1, scores, n / 15, LARGE).emotion for n in range(45)][-1] == "neutral"
    assert [steady.wait(1, 3 + n / 15, LARGE).emotion for n in range(600)][-1] == UNKNOWN


def test_a_weight_is_a_share_of_the_time_or_an_exponent_of_the_likelihood() -> None:
    scores, nothing = np.array([0.6, 0.3, 0.1]), Belief(np.full(3, 1 / 3))
    forward, exponential = forward_filter(1e9, 0.7, 0.0), exponential_filter(0.7)
    half = forward(nothing, scores, 0.35, 1.0).scores
    assert forward(nothing, scores, 0.7, 0.5).scores == pytest.approx(half, abs=1e-6)
    half = exponential(nothing, scores, 0.35, 1.0).scores
    assert exponential(nothing, scores, 0.7, 0.5).scores == pytest.approx(half)


@pytest.mark.parametrize("kind", ["ema", "hmm", "none"])
def test_a_reading_of_less_weight_moves_the_belief_less(kind: str) -> None:
    def moved(weight: float) -> float:
        steady = make_smoother(SmootherConfig(kind=kind), SEVEN)
        scores = [0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
        for n in range(3):
            before = steady.update(1, scores, n / 15, LARGE).scores
        after = steady.update(1, scores[::-1], 3 / 15, LARGE, weight=weight).scores
        return float(np.abs(np.subtract(after, before)).sum())

    moves = [moved(weight) for weight in (0.0, 0.3, 0.6, 1.0)]
    assert moves == sorted(moves) and moves[0] == 0.0 and moves[1] > 0.0
    assert moved(7.0) == moved(1.0)


def test_a_reading_without_weight_is_none_and_leaves_the_face_stale() -> None:
    steady = smoother("ema", stale_s=2.0, leave=0.45)
    run(steady, [sure("happy")] * 45)
    readings = [steady.update(1, sure("happy"), 3 + n / 15, LARGE, weight=0.0) for n in range(120)]
    assert readings[0].emotion == "happy"
    assert readings[-1].emotion == UNKNOWN


def test_without_a_filter_the_thresholds_still_apply() -> None:
    readings = run(bare(leave=0.3), [sure("happy"), sure("angry", 0.45), sure("angry"), sure("neutral", 0.36)])
    assert [reading.emotion for reading in readings] == ["happy", UNKNOWN, "angry", "angry"]
    assert readings[2].scores == pytest.approx(sure("angry"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_that_is_not_classified_keeps_its_label_until_it_is_stale(kind: str) -> None:
    steady = smoother(kind, stale_s=2.0, enter=0.6, leave=0.4)
    classified = run(steady, [sure("happy")] * 45)[-1]
    assert classified.emotion == "happy"
    last_s = 44 / 15
    for after_s in (0.1, 1.0, 1.99):
        waited = steady.wait(1, last_s + after_s, LARGE)
        assert waited == Reading("happy", classified.confidence, classified.scores, UNKNOWN, False)
    faded = [steady.wait(1, last_s + 2.01 + n / 15, LARGE) for n in range(120)]
    assert faded[-1].emotion == UNKNOWN
    assert [reading.previous for reading in faded if reading.changed] == ["happy"]
    assert run(steady, [sure("angry")] * 45, track=1)[-1].emotion != "happy"


@pytest.mark.parametrize("label", ["happy", "neutral"])
def test_a_label_is_not_dropped_because_one_frame_is_not_classified(label: str) -> None:
    steady = make_smoother(SmootherConfig(), SEVEN)
    scores = [0.38 if name == label else 0.62 / 6 for name in SEVEN]
    run(steady, [np.array([0.94 if name == label else 0.01 for name in SEVEN])] * 30)
    reading = [steady.update(1, scores, 2 + n / 15, LARGE) for n in range(8)][-1]
    assert reading.emotion == label
    assert steady.update(1, scores, 2 + 9 / 15, 20.0).emotion == label  # too small a face


@pytest.mark.parametrize("labels", [SEVEN, LABELS, ("bored", "engaged")])
def test_a_face_is_not_named_by_the_prior_alone(labels: tuple[str, ...]) -> None:
    steady = make_smoother(SmootherConfig(enter=0.1, leave=0.05), labels)
    even = [1 / len(labels)] * len(labels)
    assert not any(steady.update(1, even, n / 15, LARGE).changed for n in range(30))


def test_a_face_that_was_never_classified_is_unknown() -> None:
    steady = smoother()
    reading = steady.wait(1, 0.0, LARGE)
    assert (reading.emotion, reading.changed) == (UNKNOWN, False)
    assert reading.scores == pytest.approx([1 / 3] * 3)


def test_a_face_below_min_face_px_is_not_large_enough() -> None:
    steady = smoother(min_face_px=32)
    assert steady.large_enough(32.0)
    assert not steady.large_enough(31.9)


def test_leave_above_enter_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"device\.smoother\.leave is 0\.6, above device\.smoother\.enter"):
        smoother(enter=0.5, leave=0.6)


def test_every_module_is_a_filter_and_a_choice_of_the_setting() -> None:
    (kind,) = [field for field in dataclasses.fields(SmootherConfig) if field.name == "kind"]
    modules = [module.name for module in pkgutil.iter_modules(filters.__path__)]
    assert tuple(sorted(modules)) == kind.metadata["choices"]
    assert {"ema", "hmm", "none"} <= set(modules)
    assert all(importlib.import_module(f"{filters.__name__}.{name}").FILTER for name in modules)


# ---- properties, for both filters and any setting

score_rows = st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(any)
scripts = st.lists(score_rows.map(lambda row: np.array(row) / sum(row)), min_size=1, max_size=60)
configs = st.builds(
    SmootherConfig,
    kind=st.sampled_from(KINDS),
    time_constant_s=st.floats(0.05, 5),
    stay_s=st.floats(0.1, 20),
    enter=st.floats(0.4, 0.9),
    leave=st.floats(0.0, 0.4),
    dwell_s=st.floats(0, 2),
)
steps = st.lists(st.floats(0, 2), min_size=60, max_size=60)  # frame rates vary when a Pi throttles


@given(configs, scripts, steps)
def test_every_reading_is_consistent(
    config: SmootherConfig, script: list[NDArray[np.float64]], gaps: list[float]
) -> None:
    steady, last = make_smoother(config, LABELS), None
    for scores, time_s in zip(script, np.cumsum(gaps), strict=False):
        reading = steady.update(1, scores, float(time_s), LARGE)
        assert all(0 <= score <= 1 for score in reading.scores)
        assert sum(reading.scores) == pytest.approx(1)
        assert 0 <= reading.confidence <= 1
        assert reading.emotion in (*LABELS, UNKNOWN)
        assert reading.changed == (reading.emotion != (last.emotion if last else UNKNOWN))
        assert not reading.changed or reading.previous == (last.emotion if last else UNKNOWN)
        assert not (reading.changed and reading.emotion in LABELS) or reading.confidence >= config.enter
        last = reading


@given(configs, scripts, steps)
def test_no_label_changes_within_the_dwell(
    config: SmootherConfig, script: list[NDArray[np.float64]], gaps: list[float]
) -> None:
    steady = make_smoother(config, LABELS)
    times = [float(time_s) for time_s in np.cumsum(gaps)][: len(script)]
    readings = [steady.update(1, scores, time_s, LARGE) for scores, time_s in zip(script, times, strict=True)]
    changes = [time_s for time_s, reading in zip(times, readings, strict=True) if reading.changed]
    assert all(after - before >= config.dwell_s for before, after in pairwise(changes))


@given(configs, score_rows, st.integers(2, 20), st.integers(2, 20))
def test_the_frame_rate_changes_nothing(config: SmootherConfig, row: list[int], one: int, other: int) -> None:
    """The belief after two seconds of one expression and two of another, at two frame rates.

    (Fewer frames than two a time constant do change the forward filter: a frame counts once.)
    """
    first, second = np.array(row) / sum(row), np.array(row[::-1]) / sum(row)

    def belief(frames: int) -> NDArray[np.float64]:
        fps = frames / min(config.time_constant_s, config.stay_s, RECENT_S)
        steady = make_smoother(config, LABELS)
        times = [*np.arange(0, 2, 1 / fps), 2.0, *np.arange(2 + 1 / fps, 4, 1 / fps), 4.0]
        return np.array([steady.update(1, first if t <= 2 else second, float(t), LARGE).scores for t in times][-1])

    # The exponential filter is exact; the forward one is coarser with long steps.
    tolerance = 1e-6 if config.kind == "ema" else 0.01 + 0.5 / min(one, other)
    assert np.abs(belief(one) - belief(other)).max() <= tolerance


@given(configs, scripts)
def test_labels_are_interchangeable(config: SmootherConfig, script: list[NDArray[np.float64]]) -> None:
    """No label is favoured: reversing the scores reverses the readings."""
    readings = run(make_smoother(config, LABELS), script)
    reversed_ = run(make_smoother(config, LABELS[::-1]), [scores[::-1] for scores in script])
    for reading, other in zip(readings, reversed_, strict=True):
        assert reading.scores == pytest.approx(other.scores[::-1])
