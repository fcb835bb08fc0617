"""The table of several runs: what differs, and what a group of seeds has in common."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from trainer.artifacts.run_dir import new_run
from trainer.cli import main
from trainer.config import TrainConfig
from trainer.errors import CheckpointError
from trainer.reporting.ablation import grouped, machines, read_runs, table


def planted(path: Path, accuracies: list[float], kind: str = "student", finished: bool = True, **fit: Any) -> Path:
    """A run folder as training leaves it; `fit` are settings of the kind's fit."""
    config = TrainConfig()
    section = replace(getattr(config, kind), fit=replace(getattr(config, kind).fit, **{"epochs": 3} | fit))
    folder = new_run(replace(config, **{kind: section}), kind, path)
    folder.write_metrics(
        [
            {"epoch": n, "accuracy": accuracy, "seconds": 10.0, "images_per_s": 100.0 * n, "train_accuracy": 0.5,
             "loss": 1.0, "loss_public": 1.0}
            for n, accuracy in enumerate(accuracies, start=1)
        ]
    )  # fmt: skip
    if finished:
        folder.finish({"kind": kind, "device": "a test machine"})
    return path


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        planted(tmp_path / "plain-0", [0.50, 0.60, 0.58]),
        planted(tmp_path / "plain-1", [0.52, 0.62, 0.64], seed=1),
        planted(tmp_path / "mixed", [0.50, 0.66], finished=False, mixup=0.2, seed=2),
    ]


def test_runs_that_differ_in_the_seed_are_one_row(runs: list[Path]) -> None:
    found, notes = read_runs(runs)
    plain, mixed = (group.row() for group in grouped(found))
    assert notes == []
    assert plain["what"] == "baseline (mixup 0)" and mixed["what"] == "mixup 0.2"
    assert plain["runs"] == ["plain-0", "plain-1"] and plain["seeds"] == 2 and plain["epochs"] == [3, 3]
    assert plain["accuracy"] == pytest.approx(0.62)
    assert plain["accuracy_sd"] == pytest.approx(np.std([0.60, 0.64], ddof=1))
    assert plain["accuracy_last_epoch"] == pytest.approx((0.58 + 0.64) / 2)
    assert plain["seconds"] == 30 and plain["images_per_s"] == 200
    assert mixed["accuracy_sd"] is None and mixed["seconds"] == 20 and mixed["images_per_s"] == 150


def test_the_table_in_markdown(runs: list[Path]) -> None:
    lines = table(grouped(read_runs(runs)[0])).markdown().splitlines()
    assert lines[2] == "| baseline (mixup 0) | 3 | 2 | 62.00 % ± 2.83 | 61.00 % | 30 | 200 |"
    assert lines[3] == "| mixup 0.2 | 2 of 3 | 1 | 66.00 % | 66.00 % | 20 | 150 |"
    assert machines(read_runs(runs)[0]) == "a test machine"


def test_settings_without_effect_on_the_result_do_not_split_a_group(tmp_path: Path) -> None:
    first = planted(tmp_path / "a", [0.5])
    second = planted(tmp_path / "b", [0.6], seed=1)
    text = (second / "config.yaml").read_text()
    elsewhere = text.replace("compile: false", "compile: true").replace("data: null", "data: other.csv")
    assert elsewhere != text
    (second / "config.yaml").write_text(elsewhere.replace("family: se_resnet34", "family: resnet18"))  # of a teacher
    (group,) = grouped(read_runs([first, second])[0])
    assert group.what == "baseline" and len(group.runs) == 2


def test_a_setting_missing_in_an_older_run_has_its_default(tmp_path: Path) -> None:
    old, new = planted(tmp_path / "old", [0.5]), planted(tmp_path / "new", [0.6], seed=1)
    lines = (old / "config.yaml").read_text().splitlines(keepends=True)
    (old / "config.yaml").write_text("".join(line for line in lines if "mixup" not in line))
    assert len(grouped(read_runs([old, new])[0])) == 1


def test_more_epochs_are_another_row(tmp_path: Path) -> None:
    runs, _ = read_runs([planted(tmp_path / "a", [0.5] * 3), planted(tmp_path / "b", [0.6] * 6, epochs=6, lr=0.2)])
    assert [group.what for group in grouped(runs)] == ["baseline (epochs 3, lr 0.1)", "epochs 6, lr 0.2"]
    assert [line.split("|")[2].strip() for line in table(grouped(runs)).markdown().splitlines()[2:]] == ["3", "6"]


def test_what_is_no_run_is_skipped_and_what_is_damaged_is_an_error(runs: list[Path], tmp_path: Path) -> None:
    begun = planted(tmp_path / "begun", [], finished=False)
    found, notes = read_runs([*runs, tmp_path / "nothing", begun])
    assert len(found) == 3 and "not a run folder" in notes[0] and "not finished an epoch" in notes[1]
    with pytest.raises(CheckpointError, match="No run with a finished epoch"):
        read_runs([begun])
    (runs[0] / "metrics.jsonl").write_text("{")
    with pytest.raises(CheckpointError, match="plain-0: the run's files cannot be read"):
        read_runs(runs)


def test_the_command(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = planted(tmp_path / "teacher-1", [0.7], kind="teacher")
    picture = tmp_path / "curves.png"
    paths = [str(path) for path in (*runs, teacher)]
    assert main(["report", *paths, "--table", "--curves", str(picture)]) == 0
    output = capsys.readouterr().out
    assert "students:" in output and "teachers:" in output and "Trained on: a test machine." in output
    drawn = cv2.imread(str(picture))
    assert drawn is not None and np.ptp(drawn) > 100
    assert main(["report", *paths, "--table", "--json"]) == 0
    assert [row["seeds"] for row in json.loads(capsys.readouterr().out)["student"]] == [2, 1]
    assert main(["report", *paths]) == 2
    assert "compared with --table" in capsys.readouterr().err
