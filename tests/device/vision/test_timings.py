"""Stage timings: figures of the latest runs."""

from __future__ import annotations

import pytest

from device.vision.timings import StageTimings


def test_figures_are_of_the_latest_runs() -> None:
    timings = StageTimings(latest=100)
    for n in range(1000):
        timings.add("detect", n / 1000)
    figures = timings.stages()["detect"]
    assert (figures.n, figures.max_ms) == (100, pytest.approx(999))
    assert figures.p50_ms == pytest.approx(949.5)
    assert figures.p95_ms == pytest.approx(994.05)
    assert timings.totals_ms() == {"detect": pytest.approx(499_500)}, "of all runs, not only the latest"
    timings.reset()
    assert timings.stages() == timings.totals_ms() == {}


def test_a_run_that_fails_is_not_timed() -> None:
    timings = StageTimings()
    with pytest.raises(ZeroDivisionError), timings.measure("detect"):
        _ = 1 // 0
    assert timings.stages() == {}
