"""scripts/training/eye_state.py: from faces to a file for the device; mistakes are one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device.vision.eye_state import HEIGHT, WIDTH, EyeState
from scripts.training.eye_state import main


def test_a_trial_on_toy_faces_gives_a_file_that_the_device_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "eyes"
    assert main(["toy", "--faces", "40", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: from ")
    assert list(tmp_path.iterdir()) == [out]
    grey = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    assert 0 <= float(EyeState(out).of_patches(grey)[0]) <= 1


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["nowhere", "--out", "eyes.npz"], "nowhere: there is no such file or folder", 1),
        (["toy", "--faces", "0", "--out", "eyes.npz"], "--faces must be at least 1", 2),
        (["toy", "--out", "nowhere/eyes.npz"], "the folder of --out must exist (nowhere)", 2),
        (["toy", "--faces", "1", "--out", "eyes.npz"], "in too few of 1 faces", 1),
    ],
)
def test_mistakes(
    arguments: list[str],
    words: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
