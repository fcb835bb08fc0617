"""`trainer compare` end to end on a few toy faces: two tiny rows, beside the committed model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from device.inference.classifier import Classifier
from trainer.cli import main
from trainer.commands import compare
from trainer.compare import evaluation, selection
from trainer.compare.studies import Experiment
from trainer.compare.studies.experiment import row
from trainer.compare.studies.project import ROWS
from trainer.compare.studies.residual import FIT
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import toy_dataset

TINY = replace(FIT, epochs=2, batch_size=28)
TOY_STUDIES: dict[str, tuple[Experiment, ...]] = {
    "first": (row("first", "small", TINY, {}, network="compact", options=("channels=[8, 8, 8]", "tail=0")),),
    "second": (
        row("second", "grown", TINY, {"flip": 0.5, "crop": 0.5}, network="residual_cnn", channels=3,
            options=("blocks=2", "pooled=true"), scaling="signed", balance_to=25, dropout=0.2, protocol="7178"),
    ),
    "this-project": tuple(one for one in ROWS if one.name == "emotion"),
}  # fmt: skip
# What each of two processes runs: the first row, one epoch, on the same few faces.
PROGRAM = """
import sys
from trainer.cli import main
from trainer.commands import compare
from trainer.compare import selection
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import toy_dataset
from tests.trainer.compare.test_compare_command import TOY_STUDIES

splits = {name: split.take(slice(0, 140)) for name, split in toy_dataset().splits.items()}
compare.load_dataset = lambda source: Dataset(splits, "toy")
selection.STUDIES = TOY_STUDIES
options = ["--models", "small", "--epochs", "1", "--set", "trainer.threads=1", "--set", "trainer.accelerator=cpu"]
sys.exit(main(["compare", "--data", "toy", *options]))
"""
PICTURES = ("learning", "confusion", "roc", "classes", "tsne")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def few_faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tenth of the toy faces, three rows, a folder of our own."""
    splits = {
        name: split.take(slice(0, 140 if name == "training" else 70)) for name, split in toy_dataset().splits.items()
    }
    monkeypatch.setattr(compare, "load_dataset", lambda source: Dataset(splits, "toy"))
    monkeypatch.setattr(selection, "STUDIES", TOY_STUDIES)
    monkeypatch.chdir(tmp_path)


def compared(*arguments: str) -> dict[str, dict[str, Any]]:
    """The rows after one call, by name."""
    assert main(["compare", "--data", "toy", "--set", "trainer.threads=1", *arguments]) == 0
    rows = json.loads(Path("runs/compare/compare.json").read_text())["rows"]
    return {found["name"]: found for found in rows}


def test_a_short_row_continues_with_more_minutes() -> None:
    metrics = Path("runs/compare/first/small-original-short/metrics.jsonl")

    def epochs(minutes: str, *more: str) -> list[str]:
        short = ["--models", "small", "--short", "--minutes", minutes, "--train-only", *more]
        assert main(["compare", "--data", "toy", "--set", "trainer.threads=1", *short]) == 0
        return metrics.read_text().splitlines()

    first = epochs("1e-6")
    assert len(first) == 1 and epochs("1e-6") == first  # nothing is left to do
    assert epochs("9", "--max-mmac", "1e-6") == first  # more minutes, but not for this row:
    assert metrics.with_name("summary.json").is_file()  # what it has is kept
    both = epochs("9")
    assert len(both) == 2 and both[:1] == first and epochs("20") == both


def test_interrupted_resumed_and_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nothing is trained: our own model is evaluated, the others stay as they are.
    rows = compared("--no-training")
    assert [found["state"] for found in rows.values()] == ["not trained", "not trained", "trained"]
    assert rows["emotion"]["tested_on"] == "PrivateTest" and not Path("runs/compare/first").exists()

    # The time ends after the first epoch of the first row.
    rows = compared("--hours", "1e-6")
    assert rows["small"]["state"] == "under way" and rows["small"]["epochs"] == {"planned": 2, "done": 1}
    assert rows["grown"]["state"] == "not trained" and "test" not in rows["grown"]
    assert "in progress, 1 of 2 epochs" in Path("runs/compare/compare.md").read_text()
    assert "the time is over" in capsys.readouterr().err

    # Its last epoch is trained with --train-only, which writes no table.
    table = Path("runs/compare/compare.md").read_text()
    assert main(["compare", "--data", "toy", "--set", "trainer.threads=1", "--train-only", "--models", "small"]) == 0
    assert capsys.readouterr().out == "runs/compare\n" and Path("runs/compare/compare.md").read_text() == table

    # Interrupted while the first row, now trained, is evaluated.
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "evaluate", cut)
        assert main(["compare", "--data", "toy", "--set", "trainer.threads=1"]) == 1
    assert "continue with the same command" in capsys.readouterr().err
    folder = Path("runs/compare/first/small-original")
    trained = (folder / "last.pt").stat().st_mtime_ns

    # The rest; what is trained is not trained again.
    rows = compared("--max-mmac", "1000")
    assert (folder / "last.pt").stat().st_mtime_ns == trained
    assert {found["state"] for found in rows.values()} == {"trained"}
    assert [e["epoch"] for e in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())] == [1, 2]
    assert rows["small"]["faces"] == {"training": 140, "validation": 70, "test": 70}
    assert rows["grown"]["faces"] == {"training": 7 * 18, "validation": 14, "test": 140}
    check_figures(rows)
    check_files(tmp_path / "runs/compare")

    # Finished rows are not computed again, and a folder of other settings is refused.
    capsys.readouterr()
    assert main(["compare", "--data", "toy", "--set", "trainer.threads=1", "--json"]) == 0
    output = capsys.readouterr()
    assert "row " not in output.err and {found["name"]: found for found in json.loads(output.out)} == rows
    assert main(["compare", "--data", "toy", "--models", "small", "--epochs", "3"]) == 1
    assert "small-original: it was started with other settings of trainer.study" in capsys.readouterr().err


def test_rows_trained_side_by_side_are_evaluated_later(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["compare", "--data", "toy", "--epochs", "1", "--json"]
    assert main([*options, "--train-only", "--jobs", "2"]) == 0
    output = capsys.readouterr()
    assert [found["state"] for found in json.loads(output.out)] == ["taught", "taught", "not read"]
    assert "2 rows, 2 at a time" in output.err and not list(Path("runs/compare").glob("compare.*"))
    trained = {path: path.stat().st_mtime_ns for path in Path("runs/compare").rglob("best.pt")}
    assert main([*options, "--no-training", "--jobs", "2"]) == 0
    rows = {found["name"]: found for found in json.loads(capsys.readouterr().out)}
    assert {found["state"] for found in rows.values()} == {"trained"}
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    check_files(Path("runs/compare").absolute())

    # Without its weights all figures are there except those of its file.
    folder = Path("runs/compare/first/small-original")
    (folder / "best.pt").unlink()
    (folder / "row.json").unlink()
    assert main([*options, "--no-training", "--models", "small"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["test"] == rows["small"]["test"] and found["file"]["dtype"] is None
    assert "its weights stayed on the machine that trained it" in Path("runs/compare/compare.md").read_text()


def test_a_row_that_cannot_be_trained_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["compare", "--data", "toy", "--epochs", "1", "--train-only"]
    assert main([*options, "--models", "small"]) == 0
    folder = Path("runs/compare/first/small-original")
    (folder / "summary.json").unlink()
    (folder / "last.pt").write_text("no checkpoint")
    assert main([*options, "--jobs", "2"]) == 1
    assert f"trainer: {folder / 'last.pt'}: this is not a checkpoint of this trainer" in capsys.readouterr().err
    assert Path("runs/compare/second/grown-7178/summary.json").is_file()


def check_figures(rows: dict[str, dict[str, Any]]) -> None:
    """Every figure of the table is there, and the figures agree."""
    for found in rows.values():
        test, n = found["test"], found["faces"]["test"]
        assert test["n"] == n == sum(map(sum, test["confusion"])) and 0 <= test["accuracy"] <= test["top5"] <= 1
        assert test["weighted_recall"] == pytest.approx(test["accuracy"]) and 0 <= test["mean_auc"] <= 1
        assert found["file"]["dtype"] == "int8" and found["file"]["latency"]["median_ms"] > 0
    for name in ("small", "grown"):
        best = rows[name]["dynamics"]["best"]
        assert best["accuracy"] == max(rows[name]["curve"]) and len(rows[name]["curve"]) == 2
        assert rows[name]["file"]["latency"]["outside"] == {}
        assert 0 <= rows[name]["file"]["agreement"] <= 1


def check_files(out: Path) -> None:
    """Tables and plots are there and not empty; a row's file runs in the device's classifier."""
    page = (out / "compare.md").read_text()
    assert page.startswith("# 3 of 3 rows, on toy") and (out / "compare.csv").read_text().count("\n") == 4
    pictures = [out / f"pareto-{cost}.png" for cost in ("parameters", "macs", "latency")]
    pictures += [out / "learning-first.png", *(out / "first/small-original" / f"{name}.png" for name in PICTURES)]
    for path in pictures:
        picture = cv2.imread(str(path))
        assert picture is not None and min(picture.shape[:2]) > 200 and np.ptp(picture) > 100, path
        assert str(path.relative_to(out)) in page
    card = Classifier(out / "second/grown-7178/int8.tflite").card
    assert card.name == "emotion-study" and card.data == "toy" and card.temperature > 0


@pytest.mark.long  # torchrun under compare; tests/trainer/training/test_distributed.py guards the steps themselves
def test_two_processes_train_a_row_together(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "program.py"]
    around = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["runs/compare/compare.md"]
    (found,) = json.loads(Path("runs/compare/compare.json").read_text())["rows"]
    assert found["state"] == "trained" and found["epochs"] == {"planned": 1, "done": 1}
