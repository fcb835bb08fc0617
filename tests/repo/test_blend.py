"""scripts/training/blend.py on a network and its fine-tune on toy faces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from device.errors import UsageError
from scripts.training.blend import blend
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.cli import main
from trainer.errors import CheckpointError, RunError

SMALL = ["--set", "trainer.student.channels=[8,8,8]", "--set", "trainer.student.tail=0"]
TRAIN = ["--data", "toy", "--epochs", "1", "--set", "trainer.threads=1", "--set", "trainer.student.fit.batch_size=256"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher (`first`, itself a student) and its fine-tune (`tuned`)."""
    folder = tmp_path_factory.mktemp("blend")
    begun = str(folder / "first")
    teacher = ["--teacher", "device/models/emotion-fast.tflite"]
    assert main(["distill", *TRAIN, *SMALL, *teacher, "--run", begun]) == 0
    again = ["--start", begun, "--teacher", begun, "--set", "trainer.distill.degrade=0.5"]
    assert main(["distill", *TRAIN, *SMALL, *again, "--run", str(folder / "tuned")]) == 0
    return folder


def test_the_weights_lie_between_and_can_be_loaded(runs: Path) -> None:
    made = blend(runs / "first", runs / "tuned", 0.25, runs / "blend", "toy")
    first, tuned = (load_checkpoint(runs / name) for name in ("first/best.pt", "tuned/last.pt"))
    blended = load_checkpoint(made / "best.pt")
    weights = [c.model.state_dict()["head.weight"] for c in (first, tuned, blended)]
    assert torch.allclose(weights[2], 0.75 * weights[0] + 0.25 * weights[1])
    assert not torch.allclose(weights[0], weights[1], atol=1e-4)
    with pytest.raises(RunError, match="holds a run already"):
        blend(runs / "first", runs / "tuned", 0.25, runs / "blend", "toy")


def test_other_layers_and_other_shares_are_refused(runs: Path) -> None:
    with pytest.raises(CheckpointError, match="has other layers than the run"):
        blend(Path("device/models/emotion-fast.tflite"), runs / "tuned", 0.5, runs / "no", "toy")
    with pytest.raises(UsageError, match="SHARE is 2; it must be between 0 and 1"):
        blend(runs / "first", runs / "tuned", 2.0, runs / "no", "toy")
    assert not (runs / "no").exists()
