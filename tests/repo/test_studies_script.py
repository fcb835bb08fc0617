"""docs/studies.md and the README get figures from `trainer compare`, none of synthetic faces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.docs import studies
from tests.trainer.compare.test_page import evaluated, untrained
from trainer.compare import page
from trainer.compare.plots import COSTS, points
from trainer.compare.result import ExperimentResult
from trainer.compare.studies import STUDIES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "studies.md").write_text("before\n<!-- rows:begin -->\nwhat was there\n<!-- rows:end -->\nafter\n")
    (tmp_path / "README.md").write_text("a\n<!-- pareto:begin -->\nno picture\n<!-- pareto:end -->\nb\n")
    monkeypatch.setattr(studies, "STUDIES", tmp_path / "studies.md")
    monkeypatch.setattr(studies, "README", tmp_path / "README.md")
    monkeypatch.setattr(studies, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(studies, "STORE", tmp_path / "studies.json")
    return tmp_path


def compared(house: Path, data: str, rows: list[ExperimentResult]) -> str:
    """The folder of a comparison."""
    out = house / "out"
    page.draw(out, rows)
    page.publish(out, rows, data)
    return str(out)


def test_figures_and_plots_are_copied(house: Path) -> None:
    rows = [evaluated("x", 0.6), evaluated("z", 0.7, 2.0), untrained("y")]
    assert studies.main([compared(house, "somewhere/fer2013.csv", rows)]) == 0
    page = (house / "studies.md").read_text()
    assert page.startswith("before\n") and page.endswith("after\n") and "what was there" not in page
    assert "2 of 3 rows have a figure of ours" in page and "--data fer2013.csv" in page and "somewhere" not in page
    assert "60.00 % ± 1.00" in page and "| a/y | not trained |" in page
    assert {path.name for path in (house / "pictures").iterdir()} == {f"pareto-{c}.png" for c in COSTS}
    assert "docs/pictures/pareto-macs.png" in (house / "README.md").read_text()


def test_pictures_hold_the_rows_of_all_machines_but_no_short_ones(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []

    def names(out: Path, rows: list[ExperimentResult]) -> list[str]:
        drawn.append([point.name for point in points(rows, "macs")])
        return []

    monkeypatch.setattr(studies, "draw_pareto", names)
    short = replace(evaluated("s", 0.3), note="short schedule: as many of its epochs as fit 5 minutes")
    assert studies.main([compared(house, "fer2013.csv", [evaluated("x", 0.6), untrained("y"), short])]) == 0
    assert studies.main([compared(house, "fer2013.csv", [untrained("x"), evaluated("y", 0.7), untrained("s")])]) == 0
    assert drawn == [["x"], ["x", "y"]]


def test_one_point_is_no_picture(house: Path) -> None:
    assert studies.main([compared(house, "fer2013.csv", [evaluated("x", 0.6), untrained("y")])]) == 0
    assert "60.00 %" in (house / "studies.md").read_text() and not list((house / "pictures").iterdir())
    assert "no picture" in (house / "README.md").read_text()


def test_untrained_rows(house: Path) -> None:
    (house / "rows.json").write_text(json.dumps([untrained("y").to_json()]))
    assert studies.main([str(house / "rows.json")]) == 0
    assert "| a/y | not trained |" in (house / "studies.md").read_text()
    assert "no picture" in (house / "README.md").read_text() and not list((house / "pictures").iterdir())


def test_synthetic_faces_stay_out(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert studies.main([compared(house, "toy", [evaluated("x", 0.6)])]) == 1
    assert "synthetic faces" in capsys.readouterr().err and "what was there" in (house / "studies.md").read_text()
    assert studies.main(["nowhere"]) == 2 and studies.main(["a", "b"]) == 2


def test_figures_of_several_machines_are_kept(house: Path) -> None:
    assert studies.main([compared(house, "fer2013.csv", [evaluated("x", 0.6), untrained("y"), untrained("z")])]) == 0
    later = [replace(untrained("x"), published="70 %"), evaluated("y", 0.7), untrained("z")]
    assert studies.main([compared(house, "fer2013.csv", later)]) == 0
    page = (house / "studies.md").read_text()
    assert "2 of 3 rows have a figure of ours" in page and "| a/x | 70 % | 60.00 % ± 1.00" in page
    assert "| a/z | not trained |" in page
    assert [row["key"] for row in json.loads((house / "studies.json").read_text())["rows"]] == ["a/x", "a/y"]


def test_the_page_has_every_row() -> None:
    page = (ROOT / "docs" / "studies.md").read_text()
    for row in (row for rows in STUDIES.values() for row in rows):
        assert f"\n| {row.key} | " in page, f"{row.key}: run python -m scripts.docs.studies"
    assert "<!-- pareto:begin -->" in (ROOT / "README.md").read_text()
