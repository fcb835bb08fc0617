"""The README's figures are what `trainer evaluate --json` said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.docs import readme
from tests.support.tiny_models import write_tiny

SCORES: dict[str, Any] = {"n": 3589, "accuracy": 0.668, "macro_f1": 0.641, "weighted_f1": 0.66, "ece": 0.0123}
EVALUATION = SCORES | {
    "split": "public_test",
    "without_duplicates": SCORES | {"n": 3310, "accuracy": 0.65},
    "detector": "yunet",
    "faces_pasted": {"80": 200, "160": 3589},
    "detected": {"80": 0.0, "160": 0.961},
    "accuracy_through_detector": {"80": None, "160": 0.651},
    "accuracy_direct": {"80": None, "160": 0.669},
    "points_lost": {"80": None, "160": 1.8},
    "coverage": {"share": 0.8, "accuracy": 0.7512},
    "corruptions": {"faces": 3589, "mean": 0.5123},
    "tta": {"ten_views": {"accuracy": 0.6789, "without_duplicates": {"accuracy": 0.6655}}},
}


def test_only_the_part_between_the_marks_is_replaced() -> None:
    text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n"
    assert readme.replaced(text, "x", "new\n") == "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n"
    assert readme.replaced(readme.replaced(text, "x", "1\n"), "x", "old\n") == text


def test_the_accuracy_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme, "BUNDLED", write_tiny(tmp_path / "m.tflite", parameters=446123, macs=88_000_000))
    table = readme.accuracy([EVALUATION])
    assert "446,123 parameters, 88.0 M" in table
    assert "| PublicTest, all | 3,589 | 66.80% ± 0.79% | 67.89% | 0.641 | 0.660 | 0.012 |" in table
    assert "| PublicTest, no duplicates of Training | 3,310 | 65.00% ± 0.83% | 66.55% |" in table
    assert "accuracy is 75.12%" in table and "it is 51.23% (n = 269,175)" in table
    assert "\nThrough the detector (`yunet`), crop and network, faces of PublicTest pasted into 640x480:\n" in table
    assert "| 160 | 3,589 | 96.1% | 65.10% | 66.90% | 1.80 |" in table
    assert "| 80 | 200 | 0.0% | - | - | - |" in table


def test_a_split_that_was_not_read_through_the_detector_says_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "BUNDLED", write_tiny(tmp_path / "m.tflite"))
    alone = SCORES | {"split": "private_test", "without_duplicates": None}
    table = readme.accuracy([alone])
    assert "Through the detector" not in table and "corrupted" not in table
    assert "| PrivateTest, all | 3,589 | 66.80% ± 0.79% | - | 0.641 |" in table
