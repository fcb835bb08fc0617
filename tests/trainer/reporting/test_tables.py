"""Scores as tables and sentences."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trainer.reporting.tables import ScoreTable, corruptions, verdict


def test_markdown_aligns_figures() -> None:
    table = ScoreTable("t", ["", "a", "b"], [["x", "1", "2"]])
    assert table.markdown() == "|  | a | b |\n| --- | ---: | ---: |\n| x | 1 | 2 |"


@pytest.mark.parametrize(
    ("difference", "p", "sentence"),
    [
        (0.03, 0.00001, "This model is more accurate on these faces: p < 0.0001."),
        (-0.03, 0.0212, "The other model is more accurate on these faces: p = 0.0212."),
        (0.03, 0.31, "No significant difference: p = 0.3100 on 3,589 faces."),
    ],
)
def test_the_verdict(difference: float, p: float, sentence: str) -> None:
    assert verdict({"difference": difference, "p": p, "n": 3589}) == sentence


def test_corrupted_faces_fit_on_a_terminal_of_80_columns() -> None:
    row = {"accuracy": [0.61, 0.52, 0.43, 0.34, 0.25], "mean": 0.43, "lost": 25.3}
    found = {"faces": 3589, "accuracy": 0.683, "kinds": {"low_resolution": row}, "mean": 0.43}
    found["by_severity"] = row["accuracy"]
    stream = io.StringIO()
    Console(file=stream, width=80).print(corruptions(found).rich())
    assert "│ low resolution │ 61.0 │ 52.0 │ 43.0 │ 34.0 │ 25.0 │ 43.0 │ 25.3 │" in stream.getvalue()
    assert "clean 68.3" in stream.getvalue()
