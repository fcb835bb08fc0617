"""benchmarks/smoothing.py: its search applies the thresholds exactly as the device does."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.smoothing import main, thresholded
from device.config.schema import SmootherConfig
from device.replay.metrics import FrameScores, Recording, smoothed_labels

LABELS = ("angry", "happy", "neutral")
rows = st.lists(st.integers(0, 8), min_size=3, max_size=3).filter(
    lambda row: row.count(max(row)) == 1
)  # no ties, and no threshold below is such a score
configs = st.builds(
    SmootherConfig,
    kind=st.just("none"),
    enter=st.sampled_from([0.301, 0.501, 0.701]),
    leave=st.sampled_from([0.101, 0.301]),
    dwell_s=st.sampled_from([0.0, 0.25, 0.5]),
)


@given(configs, st.lists(rows, min_size=1, max_size=60))
@settings(max_examples=50)
def test_the_thresholds_are_the_smoothers(config: SmootherConfig, script: list[list[int]]) -> None:
    frames = [FrameScores(n / 8, 1, tuple(v / sum(row) for v in row), 100.0) for n, row in enumerate(script)]
    clip = Recording("clip", LABELS, tuple(frames), ())
    settled = dataclasses.replace(config, leave=min(config.leave, config.enter))
    assert thresholded(settled)(clip) == smoothed_labels(settled)(clip)


def test_data_that_cannot_be_read_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["smoothing", "--data", "absent.csv", "--search"])
    assert main() == 1
    error = capsys.readouterr().err
    assert error.startswith("benchmark: absent.csv: there is no such file or folder") and error.count("\n") == 1
