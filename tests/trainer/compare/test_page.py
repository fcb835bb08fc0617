"""Rows, tables and fronts of `trainer compare`, and what it answers to wrong usage; nothing is taught here."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.compare import page, tables
from trainer.compare.plots import Point, front, points
from trainer.compare.result import averages


def trained(name: str, accuracy: float, ms: float | None = 1.0, study: str = "a") -> dict[str, Any]:
    """A row as row.json holds it."""
    test = {"n": 200, "accuracy": accuracy, "standard_error": 0.01, "top5": 0.95, "macro_f1": 0.5, "weighted_f1": 0.5}
    test |= averages({"happy": {"precision": 0.5, "recall": 0.5, "auc": 0.75, "support": 4}})
    file: dict[str, Any] = {"dtype": None, "why_not": "the network cannot be exported: no", "gates_failed": []}
    if ms is not None:
        cost = {"median_ms": ms, "pieces": 2, "outside": {"HARD_SWISH": 3}}
        file = {"dtype": "int8", "bytes": 5000, "accuracy": accuracy - 0.01, "agreement": 0.98, "seconds": 2.0}
        file |= {"why_not": "", "gates_failed": ["size: too large"], "latency": cost}
    return untrained(name, study) | {"state": "trained", "test": test | {"without_duplicates": None}, "file": file}


def untrained(name: str, study: str = "a") -> dict[str, Any]:
    known: dict[str, Any] = {
        "key": f"{study}/{name}",
        "study": study,
        "name": name,
        "network": name,
        "protocol": "original",
    }
    known |= {"published": "", "note": "", "state": "not trained", "why": "", "epochs": {"planned": 50, "done": 0}}
    return known | {"parameters": 2_000_000, "macs": 50_000_000, "faces": {"training": 9, "validation": 9, "test": 200}}


def test_a_front_holds_what_nothing_beats() -> None:
    cheap, dear, worse, best = (
        Point(n, "a", "original", cost, accuracy)
        for n, cost, accuracy in (("cheap", 1, 0.5), ("dear", 9, 0.6), ("worse", 5, 0.45), ("best", 4, 0.7))
    )
    assert front([dear, worse, best, cheap]) == [cheap, best]
    assert front([Point("x", "a", "811", 1, 0.4), cheap]) == [cheap]


def test_only_rows_with_a_real_figure_are_points() -> None:
    results = [trained("x", 0.6), trained("y", 0.5, ms=None), untrained("z")]
    assert [p.name for p in points(results, "macs")] == ["x", "y"]
    (timed,) = points(results, "latency")
    assert (timed.name, timed.cost, timed.accuracy) == ("x", 1.0, pytest.approx(0.59))


def test_tables_say_what_is_known_and_no_more() -> None:
    begun = untrained("z") | {"state": "under way"}
    begun["epochs"] = {"planned": 50, "done": 3}
    results = [trained("x", 0.6), trained("y", 0.5, ms=None), untrained("w") | {"why": "above 10 MMAC"}, begun]
    accuracy, files = tables.tables(results)
    told = {row[0]: dict(zip(accuracy.head, row, strict=True)) for row in accuracy.rows}
    assert told["a/x"]["test"] == "60.00 % ± 1.00" and told["a/x"]["n"] == "200" and told["a/x"]["mean AUC"] == "0.750"
    assert told["a/w"]["state"] == "not trained (above 10 MMAC)" and told["a/w"]["test"] == "-"
    assert told["a/z"]["state"] == "under way, 3 of 50 epochs"
    told = {row[0]: dict(zip(files.head, row, strict=True)) for row in files.rows}
    assert told["a/x"]["operators in the way"] == "3 HARD_SWISH" and told["a/x"]["gates failed"] == "size: too large"
    assert told["a/y"]["operators in the way"] == "the network cannot be exported: no"


def test_a_published_figure_stands_beside_ours() -> None:
    best = {"epoch": 9, "accuracy": 0.625, "train_accuracy": 0.82}
    first = trained("x", 0.6) | {"published": "66.8 % validation", "dynamics": {"best": best}}
    ours = trained("ours", 0.7) | {"published": "70 % of its card", "epochs": {"planned": None, "done": None}}
    table = tables.tables([first, ours, untrained("z") | {"published": "70.8 %"}, untrained("w")])[0]
    told = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.rows}
    assert set(told) == {"a/x", "a/z"}
    assert told["a/x"]["published"] == "66.8 % validation" and told["a/x"]["ours, test"] == "60.00 % ± 1.00"
    assert told["a/x"]["ours, validation"] == "62.50 %" and told["a/x"]["ours, training, same epoch"] == "82.00 %"
    assert told["a/z"]["ours, test"] == "not trained"


def test_the_csv_has_a_line_a_row() -> None:
    lines = list(csv.DictReader(io.StringIO(tables.as_csv([trained("x", 0.6), untrained("w")]))))
    assert [line["key"] for line in lines] == ["a/x", "a/w"]
    assert float(lines[0]["test.accuracy"]) == 0.6 and lines[1]["test.accuracy"] == ""


def test_pictures_and_page(tmp_path: Path) -> None:
    results = [trained("x", 0.6) | {"curve": [0.3, 0.6]}, trained("y", 0.7, 2.0), untrained("z")]
    page.draw(tmp_path, results)
    page.publish(tmp_path, results, "toy")
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {"pareto-parameters.png", "pareto-macs.png", "pareto-latency.png", "learning-a.png"}
    text = (tmp_path / "compare.md").read_text()
    assert text.startswith("# 2 of 3 rows, on toy") and all(f"({name})" in text for name in drawn)
    assert "say nothing of people" in text and "not trained" in text
    assert [row["key"] for row in json.loads((tmp_path / "compare.json").read_text())["rows"]] == ["a/x", "a/y", "a/z"]


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--list", "--json", "--models", "pooled", "emotion", "--split-protocol", "811"]) == 0
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"residual/pooled", "this-project/emotion"}
    pooled = rows["residual/pooled"]
    assert (pooled["protocol"], pooled["epochs"], pooled["state"]) == ("811", {"planned": 30, "done": 0}, "not trained")
    assert pooled["note"].endswith("; split 811 instead of original")
    assert pooled["parameters"] == 332_423 and "66.8 % validation" in pooled["published"]


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["--studies", "nobody"], "--studies: there is no study 'nobody'", 2),
        (["--models", "resnet9"], "--models: no row is named 'resnet9' here", 2),
        (["--epochs", "0"], "--epochs and --jobs must be at least 1", 2),
        (["--jobs", "0"], "--epochs and --jobs must be at least 1", 2),
        (["--hours", "-1"], "--hours above 0", 2),
        (["--set", "trainer.study.network=vgg11"], "trainer.study is set by each row itself", 2),
        (["--studies", "transfer", "--imagenet", "nowhere"], "nowhere: no file resnet18*.pth is here", 1),
        (["--studies", "compact", "--data", "toy", "--balance-with", "nowhere"], "nowhere: there is no such folder", 1),
        (["--models", "pooled"], "no data set is named", 1),
        (["--models", "pooled", "--data", "absent.csv"], "absent.csv: there is no such file", 1),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], says: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == code
    said = capsys.readouterr().err
    assert said.startswith("trainer: ") and says in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
