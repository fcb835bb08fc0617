"""`trainer report` on a run folder: its Markdown, and the scores that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainer.artifacts.run_dir import RunFolder, new_run
from trainer.cli import main
from trainer.config import TrainConfig
from trainer.data.fer2013 import toy_dataset
from trainer.errors import CheckpointError
from trainer.evaluation import scoring
from trainer.reporting.run_report import coverage_curves, evaluated, markdown

FACES = toy_dataset()["public_test"]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run folder with an evaluated model: every face correct, with falling confidence."""
    folder = new_run(TrainConfig(), "student", tmp_path / "student-1")
    logits = (np.eye(7)[FACES.labels] * np.linspace(9, 1, len(FACES))[:, np.newaxis]).astype(np.float32)
    new = np.arange(len(FACES)) > 50
    scores = {"model": "m/emotion.tflite"} | scoring.single_view(
        scoring.EvaluationSet("public_test", FACES, new), logits, 1.0
    )
    np.savez(folder.path / "emotion-public_test.npz", logits=logits)
    (folder.path / "emotion-public_test.json").write_text(json.dumps(scores))
    return folder


def test_the_markdown_holds_every_table(folder: RunFolder) -> None:
    scores, logits = evaluated(folder, "public_test")
    text = markdown(folder, scores, ["risk-coverage.png"])
    assert len(logits) == 350 and "**100.00 % ± 0.00 (standard error), n = 350**" in text
    for heading in ("Scores", "Calibration", "Accuracy of the most confident", "By emotion"):
        assert f"## {heading}" in text
    assert "(risk-coverage.png)" in text and "Corrupted faces" not in text
    assert "| accuracy | 100.00 % | 100.00 % |" in text
    assert list(coverage_curves(scores)) == ["all faces", "without duplicates of Training"]


def test_scores_of_an_older_version_are_refused(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder.path / "emotion-public_test.json"
    scores = json.loads(file.read_text())
    del scores["calibration"]
    file.write_text(json.dumps(scores))
    with pytest.raises(CheckpointError, match=r"of an older version.*evaluate again"):
        evaluated(folder, "public_test")
    assert main(["report", str(folder.path)]) == 1
    assert "evaluate again" in capsys.readouterr().err
