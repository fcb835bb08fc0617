"""docs/field.md gets the figures of benchmarks/field.py, here of a portrait and a drawn clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from benchmarks import field as benchmark
from scripts.docs import field
from tests.support.clips import portrait, scene, write_clip


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "clips").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "photo-2.jpg"), portrait())
    write_clip(tmp_path / "clips" / "a.mp4", [scene([(100, 100, 250)])] * 10)
    (tmp_path / "truth.csv").write_text(
        "image,x,y,width,height,kind,emotion\nphoto-2.jpg,170,60,112,120,face,happy\nphoto-3.jpg,0,0,0,0,none,\n"
    )
    (tmp_path / "clips.csv").write_text("clip,tracks,emotion\na.mp4,1,\n")
    (tmp_path / "field.md").write_text("before\n<!-- field:begin -->\nold\n<!-- field:end -->\nafter\n")
    monkeypatch.setattr(field, "FIELD", tmp_path / "field.md")
    monkeypatch.setattr(benchmark, "CLIPS", tmp_path / "clips.csv")
    return tmp_path


def test_every_row_has_a_column(house: Path) -> None:
    options = ["--no-budget", "--config", "sure:detector.min_score=0.99999,detector.view=whole"]
    assert field.main([str(house), *options]) == 0
    text = (house / "field.md").read_text()
    assert text.startswith("before\n<!-- field:begin -->\nMeasured on 1 photos (even numbers) and 1 clips by")
    assert text.endswith("<!-- field:end -->\nafter\n") and "old" not in text
    assert "|  | version 1 | default | sure |" in text
    assert "| 80-120 px (1) | 1 (100.0%) | 1 (100.0%) | 0 (0.0%) |" in text
    assert "| never followed | 0.0% | 0.0% | 100.0% |" in text
    assert "| a.mp4 | 1 track | 1 track: " in text and "| 0 tracks |" in text
    assert "(1.00 times) | " in text
    assert benchmark.SKIPPED in text


def test_what_cannot_be_read_is_one_sentence(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert field.main([str(house), "--photos", "odd"]) == 1
    assert "photo-3.jpg: there is no such photo" in capsys.readouterr().err
    assert field.main([str(house), "--config", "x:detector.kind=none"]) == 2
    assert "device.detector.kind is 'none'" in capsys.readouterr().err
    assert "old" in (house / "field.md").read_text(), "nothing is written"
