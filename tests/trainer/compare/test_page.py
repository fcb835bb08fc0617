"""Tables, plots and usage errors of `trainer compare`; nothing is trained here."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.cli import build_parser, main
from trainer.compare import page, tables
from trainer.compare.evaluation import averages
from trainer.compare.plots import Point, front, points
from trainer.compare.result import (
    Epochs,
    EpochScores,
    ExperimentResult,
    FaceCounts,
    History,
    Latency,
    ModelFile,
    Status,
    TestScores,
)


def evaluated(name: str, accuracy: float, ms: float | None = 1.0, study: str = "a") -> ExperimentResult:
    """A finished row."""
    scores = {"n": 200, "accuracy": accuracy, "standard_error": 0.01, "top5": 0.95, "macro_f1": 0.5, "weighted_f1": 0.5}
    scores |= averages({"happy": {"precision": 0.5, "recall": 0.5, "auc": 0.75, "support": 4}})
    file = ModelFile(None, "the network cannot be exported: no")
    if ms is not None:
        cost = Latency(ms, pieces=2, outside={"HARD_SWISH": 3})
        file = ModelFile(
            "int8", gates_failed=("size: too large",), bytes=5000, accuracy=accuracy - 0.01, agreement=0.98,
            seconds=2.0, latency=cost,
        )  # fmt: skip
    test = TestScores.from_json(scores | {"without_duplicates": None})
    return replace(untrained(name, study), status=Status.EVALUATED, test=test, file=file)


def untrained(name: str, study: str = "a") -> ExperimentResult:
    return ExperimentResult(
        f"{study}/{name}", study, name, name, "original", Epochs(50, 0), 2_000_000, 50_000_000,
        faces=FaceCounts(9, 9, 200),
    )  # fmt: skip


def test_a_front_holds_what_nothing_beats() -> None:
    cheap, dear, worse, best = (
        Point(n, "a", "original", cost, accuracy)
        for n, cost, accuracy in (("cheap", 1, 0.5), ("dear", 9, 0.6), ("worse", 5, 0.45), ("best", 4, 0.7))
    )
    assert front([dear, worse, best, cheap]) == [cheap, best]
    assert front([Point("x", "a", "811", 1, 0.4), cheap]) == [cheap]


def test_only_rows_with_a_real_figure_are_points() -> None:
    results = [evaluated("x", 0.6), evaluated("y", 0.5, ms=None), untrained("z")]
    assert [p.name for p in points(results, "macs")] == ["x", "y"]
    (timed,) = points(results, "latency")
    assert (timed.name, timed.cost, timed.accuracy) == ("x", 1.0, pytest.approx(0.59))


def test_tables_show_what_is_known_and_leave_the_rest_empty() -> None:
    started = replace(untrained("z"), status=Status.IN_PROGRESS, epochs=Epochs(50, 3))
    trained = replace(untrained("t"), status=Status.TRAINED)
    results = [evaluated("x", 0.6), evaluated("y", 0.5, ms=None), replace(untrained("w"), why="above 10 MMAC")]
    results += [started, trained]
    accuracy, files = tables.tables(results)
    cells = {row[0]: dict(zip(accuracy.head, row, strict=True)) for row in accuracy.rows}
    assert (
        cells["a/x"]["test"] == "60.00 % ± 1.00" and cells["a/x"]["n"] == "200" and cells["a/x"]["mean AUC"] == "0.750"
    )
    assert cells["a/w"]["state"] == "not trained (above 10 MMAC)" and cells["a/w"]["test"] == "-"
    assert cells["a/z"]["state"] == "in progress, 3 of 50 epochs" and cells["a/t"]["state"] == "trained, not evaluated"
    cells = {row[0]: dict(zip(files.head, row, strict=True)) for row in files.rows}
    assert cells["a/x"]["operators left out"] == "3 HARD_SWISH" and cells["a/x"]["gates failed"] == "size: too large"
    assert cells["a/y"]["operators left out"] == "the network cannot be exported: no"


def test_a_published_figure_stands_beside_ours() -> None:
    history = History(EpochScores(epoch=9, accuracy=0.625, train_accuracy=0.82))
    first = replace(evaluated("x", 0.6), published="66.8 % validation", history=history)
    ours = replace(evaluated("ours", 0.7), published="70 % of its card", epochs=Epochs(None, None))
    table = tables.tables([first, ours, replace(untrained("z"), published="70.8 %"), untrained("w")])[0]
    cells = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.rows}
    assert set(cells) == {"a/x", "a/z"}
    assert cells["a/x"]["published"] == "66.8 % validation" and cells["a/x"]["ours, test"] == "60.00 % ± 1.00"
    assert cells["a/x"]["ours, validation"] == "62.50 %" and cells["a/x"]["ours, training, same epoch"] == "82.00 %"
    assert cells["a/z"]["ours, test"] == "not trained"


def test_the_csv_has_a_line_a_row() -> None:
    lines = list(csv.DictReader(io.StringIO(tables.as_csv([evaluated("x", 0.6), untrained("w")]))))
    assert [line["key"] for line in lines] == ["a/x", "a/w"]
    assert float(lines[0]["test.accuracy"]) == 0.6 and lines[1]["test.accuracy"] == ""


def test_plots_and_page(tmp_path: Path) -> None:
    results = [replace(evaluated("x", 0.6), curve=(0.3, 0.6)), evaluated("y", 0.7, 2.0), untrained("z")]
    page.draw(tmp_path, results)
    page.publish(tmp_path, results, "toy")
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {"pareto-parameters.png", "pareto-macs.png", "pareto-latency.png", "learning-a.png"}
    text = (tmp_path / "compare.md").read_text()
    assert text.startswith("# 2 of 3 rows, on toy") and all(f"({name})" in text for name in drawn)
    assert "do not apply to people" in text and "not trained" in text
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
    ("arguments", "expected", "code"),
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
    arguments: list[str], expected: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("trainer: ") and expected in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_train_only_and_no_training_keep_their_old_names(capsys: pytest.CaptureFixture[str]) -> None:
    def mode(option: str) -> tuple[bool, bool]:
        args = build_parser("compare").parse_args(["compare", option])
        return args.train_only, args.no_training

    assert mode("--train-only") == mode("--teach-only") == (True, False)
    assert mode("--no-training") == mode("--no-teaching") == (False, True)
    with pytest.raises(SystemExit):
        build_parser("compare").parse_args(["compare", "--teach-only", "--no-training"])
    assert "not allowed with" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build_parser("compare").parse_args(["compare", "--help"])
    assert "teach" not in capsys.readouterr().out
