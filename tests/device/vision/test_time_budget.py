"""The time budget follows recent costs, and shrinks while the board throttles; fake clock."""

from __future__ import annotations

import pytest

from device.config.schema import PipelineConfig
from device.vision.time_budget import CHECK_S, Budget, Cost
from tests.support.clock import Clock


def budget(clock: Clock, budget_ms: float | None = 50.0, hot: bool = False, hot_share: float = 0.5) -> Budget:
    return Budget(PipelineConfig(budget_ms=budget_ms, hot_share=hot_share), clock, lambda: hot)


def record(budget: Budget, clock: Clock, work: str, *took_s: float) -> None:
    for seconds in took_s:
        with budget.spend(work):
            clock.now_s += seconds


def test_work_of_unknown_cost_is_afforded() -> None:
    one = budget(Clock())
    one.begin()
    assert one.affords("classify")


def test_work_is_afforded_while_it_would_end_in_time() -> None:
    clock = Clock()
    one = budget(clock)
    record(one, clock, "classify", *[0.010] * 60)  # so even that its most is its mean
    one.begin()
    done = 0
    while one.affords("classify"):
        record(one, clock, "classify", 0.010)
        done += 1
    assert done == 4  # a fifth would end at 50 ms, of which 45 are planned
    assert clock.now_s == pytest.approx(0.6 + 0.04)


def test_a_share_ends_earlier_and_leaving_keeps_time_free() -> None:
    clock = Clock()
    one = budget(clock)
    record(one, clock, "detect", *[0.010] * 60)
    record(one, clock, "smooth", *[0.020] * 60)
    one.begin()
    clock.now_s += 0.012
    assert one.affords("detect", share=0.5)
    assert one.affords("detect", leaving="smooth")
    clock.now_s += 0.005
    assert not one.affords("detect", share=0.5)
    assert one.affords("detect")
    assert not one.affords("detect", leaving="smooth")


def test_no_budget_affords_everything_and_checks_nothing() -> None:
    def never() -> bool:
        raise AssertionError

    clock = Clock()
    one = Budget(PipelineConfig(budget_ms=None), clock, never)
    record(one, clock, "classify", 1.0, 1.0, 1.0)
    one.begin()
    clock.now_s += 100
    assert one.affords("classify", share=0.1)


def test_a_hot_board_shrinks_the_budget_until_it_has_cooled() -> None:
    clock, states = Clock(), iter([True, False])
    asked: list[float] = []

    def hot() -> bool:
        asked.append(clock.now_s)
        return next(states)

    one = Budget(PipelineConfig(budget_ms=50.0, hot_share=0.4), clock, hot)
    record(one, clock, "classify", *[0.030] * 60)
    began_s = clock.now_s
    while clock.now_s < began_s + CHECK_S - 0.01:
        one.begin()
        assert not one.affords("classify")  # 30 ms of 20
        clock.now_s += 0.1
    clock.now_s += 0.1
    one.begin()
    assert one.affords("classify")
    assert asked == pytest.approx([began_s, began_s + CHECK_S], abs=0.11)


def test_the_first_run_is_a_warm_up_and_is_ignored() -> None:
    cost = Cost()
    cost.add(2.0)
    assert cost.max_s == 0.0
    cost.add(0.010)
    assert cost.max_s == pytest.approx(0.030)


def test_uneven_work_is_expected_to_take_more_than_its_mean() -> None:
    even, uneven = Cost(), Cost()
    for n in range(200):
        even.add(0.010)
        uneven.add(0.005 if n % 2 else 0.015)
    assert even.max_s == pytest.approx(0.010, rel=1e-3)
    assert uneven.mean_s == pytest.approx(0.010, rel=0.1)
    assert 0.015 < uneven.max_s < 0.035


def test_a_run_that_fails_is_not_counted() -> None:
    clock = Clock()
    one = budget(clock)
    with pytest.raises(ZeroDivisionError), one.spend("classify"):
        _ = 1 // 0
    record(one, clock, "classify", 0.001)  # so this is the first
    one.begin()
    clock.now_s += 0.045
    assert one.affords("classify")
