"""Scores as a person reads them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trainer.reporting.tables import ScoreTable, corruptions, verdict


def test_markdown_aligns_figures() -> None:
    table = ScoreTable("t", ["", "a", "b"], [["x", "1", "2"]])
    assert table.markdown() == "|  | a | b |\n| --- | ---: | ---: |\n| x | 1 | 2 |"


@pytest.mark.parametrize(
    ("difference", "p", "says"),
    [
        (0.03, 0.00001, "So this model reads these faces better: p < 0.0001."),
        (-0.03, 0.0212, "So the other model reads these faces better: p = 0.0212."),
        (0.03, 0.31, "That is no proof of a difference: p = 0.3100 on 3,589 faces."),
    ],
)
def test_the_verdict(difference: float, p: float, says: str) -> None:
    assert verdict({"difference": difference, "p": p, "n": 3589}) == says


def test_spoilt_faces_fit_on_a_terminal_of_80_columns() -> None:
    row = {"accuracy": [0.61, 0.52, 0.43, 0.34, 0.25], "mean": 0.43, "lost": 25.3}
    found = {"faces": 3589, "accuracy": 0.683, "kinds": {"low_resolution": row}, "mean": 0.43}
    found["by_severity"] = row["accuracy"]
    stream = io.StringIO()
    Console(file=stream, width=80).print(corruptions(found).rich())
    assert "│ low resolution │ 61.0 │ 52.0 │ 43.0 │ 34.0 │ 25.0 │ 43.0 │ 25.3 │" in stream.getvalue()
    assert "unspoilt 68.3" in stream.getvalue()
