"""`trainer smoother` with a tiny model and toy faces: it trains, it resumes, its file works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device.config.schema import SmootherConfig
from device.vision.filters.gru import read_network
from device.vision.smoother import make_smoother
from tests.support.tiny_models import write_tiny
from tests.support.trainer_command import call_trainer
from trainer.artifacts.run_dir import RunFolder
from trainer.data.dataset import LABELS
from trainer.smoothing import fit

SMALL = {"size": 8, "epochs": 2, "clips": 2, "readings": 20, "faces_per_class": 6, "views": 3}
SETTINGS = [part for name, value in SMALL.items() for part in ("--set", f"trainer.smoother.{name}={value}")]
COMMAND = ["smoother", "--data", "toy", "--model", "tiny.tflite", *SETTINGS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of two short epochs: r/, and the model, tiny.tflite."""
    path = tmp_path_factory.mktemp("smoother")
    write_tiny(path / "tiny.tflite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "STEPS", 4)
        patch.setattr(fit, "VALIDATION_CLIPS", 4)
        result = call_trainer(*COMMAND, "--run", "r", "--json", cwd=path)
        assert result.returncode == 0, result.stderr
        summary = json.loads(result.stdout)
        assert summary["network"] == "r/smoother.npz" and summary["epoch"] == 2
        assert summary["parameters"] == 3 * 8 * (8 + 8 + 2) + 7 * 9
        yield path


def test_the_device_takes_the_file(folder: Path) -> None:
    config = SmootherConfig(kind="gru", network=str(folder / "r" / "smoother.npz"))
    smoother = make_smoother(config, LABELS)
    reading = smoother.update(1, np.full(len(LABELS), 1 / len(LABELS)), 0.0, 100.0)
    assert sum(reading.scores) == pytest.approx(1.0)
    assert reading.scores != pytest.approx([1 / len(LABELS)] * len(LABELS))


def test_a_run_that_was_cut_off_gives_the_same_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_metrics", interrupt)  # just after the first checkpoint
        stopped = call_trainer(*COMMAND, "--run", "c", cwd=folder)
    assert stopped.returncode == 1 and "continue with --resume" in stopped.stderr
    resumed = call_trainer("smoother", "--resume", "--run", "c", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "right after" in resumed.stdout
    (_, once), (_, twice) = (read_network(folder / run / "smoother.npz") for run in ("r", "c"))
    assert all(np.array_equal(vars(once)[name], vars(twice)[name]) for name in vars(once))


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_error_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    other = write_tiny(tmp_path / "other.tflite", ("calm", "excited"))
    for arguments, sentence in (
        (["--data", "toy", "--model", other], "the model's labels are calm, excited, but must be angry"),
        (["--resume"], "there is no stopped run of a smoother here"),
        (["--data", "none.csv"], "none.csv"),
    ):
        result = call_trainer("smoother", *arguments, *SETTINGS, cwd=tmp_path)
        assert result.returncode == 1 and sentence in result.stderr
        assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
    (folder / "r" / "last.pt").write_bytes(b"damaged")
    (folder / "r" / "summary.json").unlink()
    result = call_trainer("smoother", "--resume", "--run", "r", cwd=folder)
    assert (result.returncode, "last.pt: this is not a checkpoint" in result.stderr) == (1, True)
