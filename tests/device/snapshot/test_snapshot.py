"""`device snapshot`: one picture, for its owner only, and never by the service."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.cli.app import main
from device.config.schema import DeviceConfig
from device.snapshot.drawing import blur
from device.vision.detector import open_detector
from tests.support.clips import portrait, scene
from tests.support.command import device, refusal

FACES = scene([(60, 120, 220), (360, 120, 220)])
IGNORE_LEFT = "device.detector.ignore=[[[0,0],[0.5,0],[0.5,1],[0,1]]]"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture of two faces, in the current folder."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite(str(tmp_path / "faces.png"), FACES)
    return tmp_path / "faces.png"


def snapshot(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command prints."""
    assert main(["snapshot", *options]) == 0
    return capsys.readouterr().out


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_marks_the_faces_and_only_its_owner_can_read_it(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "snapshot.png"
    old.write_text("an older file that everybody could read")
    old.chmod(0o666)
    told = snapshot(capsys, "--source", str(source))
    assert f"snapshot.png: {source}, 640x480, faces: 2, too small to be read: 0, ignored: 0;" in told
    assert mode_of(old) == 0o600
    drawn = cv2.imread(str(old))
    assert drawn is not None and drawn.shape == FACES.shape
    changed = np.any(drawn != FACES, axis=2).mean()
    assert 0 < changed < 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.png", "snapshot.png"]


def test_ignored_areas_and_small_faces_are_counted_and_drawn(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("--set", IGNORE_LEFT, "--set", "device.smoother.min_face_px=400")
    told = snapshot(capsys, "--source", str(source), "--out", "aim.jpg", *settings)
    assert "faces: 0, too small to be read: 1, ignored: 1;" in told
    drawn = cv2.imread(str(tmp_path / "aim.jpg"))
    assert drawn is not None
    left, right = (
        np.abs(drawn.astype(int) - FACES)[100:110, 20:300].mean(),
        np.abs(drawn.astype(int) - FACES)[100:110, 340:].mean(),
    )
    assert left > 10 * max(right, 0.5)  # the area is shaded


def test_nobody_is_found_in_a_blurred_one(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "faces: 2" in snapshot(capsys, "--source", str(source), "--blur")
    drawn = cv2.imread(str(tmp_path / "snapshot.png"))
    assert drawn is not None
    assert open_detector(DeviceConfig().detector).detect(np.asarray(drawn, np.uint8)) == []
    assert mode_of(tmp_path / "snapshot.png") == 0o600


def test_blur_leaves_no_detail() -> None:
    image = blur(portrait())
    assert image.shape == portrait().shape
    assert len(np.unique(image.reshape(-1, 3), axis=0)) <= 32 * 32


@pytest.mark.parametrize(
    ("out", "sentence"), [("no/such/folder.png", "cannot be written"), ("picture.gif", "must be a .png or .jpg file")]
)
def test_a_file_that_cannot_be_written(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str], out: str, sentence: str
) -> None:
    assert main(["snapshot", "--source", str(source), "--out", out]) == 1
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["faces.png"]


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    assert "no such camera" in refusal(device("snapshot", "--source", "/dev/video987", cwd=tmp_path), 1)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_the_service_does_not_know_it() -> None:
    code = "import device.service.run, sys; assert not any('snapshot.' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
