"""Any program can be compared with the default detector; here ones that know the answer or fail."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import pytest

from benchmarks import detectors as benchmark
from tests.support.clips import portrait

BOXES = [[170, 60, 112, 120, 0.9], [0, 0, 30, 30, 0.8], [0, 0, 5, 5, 0.9]]
KNOWS = f"""\
import json, sys
for line in sys.stdin:
    with open(line.strip(), "rb") as file:
        assert file.read(2) == b"P6"
    print(json.dumps({{"boxes": {BOXES}, "ms": 5}}), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for n in (1, 2):
        cv2.imwrite(str(tmp_path / "photos" / f"photo-{n}.png"), cv2.resize(portrait(), (640, 480)))
    (tmp_path / "truth.csv").write_text(
        "image,x,y,width,height,kind,emotion\nphoto-1.png,212,56,140,112,face,\nphoto-2.png,170,60,112,120,face,\n"
    )
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["detectors", str(folder), "--repeats", "1", *options])
    return benchmark.main()


def program(folder: Path, text: str) -> str:
    (folder / "other.py").write_text(text)
    return f"--program=other:{sys.executable} {folder / 'other.py'}"


def test_a_program_is_scored_beside_the_bundled_detectors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--config=none:min_score=1", program(folder, KNOWS)
    assert run(monkeypatch, folder, *options) == 0
    title, head, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("2 photos in 640x480, 1 searches of each")
    assert "even: from 24 (1)" in head
    found = {row.split()[0]: row.split()[3:] for row in rows}
    assert found["default"][:4] == ["1", "1", "1", "0"] and found["none"][:4] == ["0", "0", "0", "0"]
    assert found["other"][4:] == ["1", "1", "1", "1"], "the smallest box is left out, as a device does"
    assert " 5.0 " in rows[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print('hello', flush=True)\ninput()\n", "it printed 'hello'"),
        ("", "it ended"),
        ("print({}, flush=True)\ninput()\n", "it printed '{}'"),
    ],
)
def test_a_wrong_answer_is_one_sentence(
    folder: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, program(folder, text)) == 2
    out, err = capsys.readouterr()
    assert f"--program other: {said}" in err and err.count("\n") == 1 and not out


def test_a_program_that_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "--program", f"x:{folder / 'no-such-program'}") == 2
    assert "cannot be started (No such file" in capsys.readouterr().err
