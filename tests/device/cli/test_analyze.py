"""`device analyze`: the real command on photos and films."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.clips import PORTRAIT, portrait, write_clip
from tests.support.command import DECLARED, DEVICE, device, refusal
from tests.support.files import LONG_NAME


def test_a_table_for_a_spreadsheet(tmp_path: Path) -> None:
    write_clip(tmp_path / "film.avi", [portrait()] * 5)
    out = tmp_path / "faces.csv"
    done = device("analyze", PORTRAIT, "film.avi", "--csv", out, *DECLARED, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"4 rows from 2 files; written to {out}" in done.stderr
    rows = list(csv.DictReader(out.open(encoding="utf-8", newline="")))
    assert [(Path(row["file"]).name, row["time_s"], row["face"]) for row in rows] == [
        ("astronaut.jpg", "", "1"), ("film.avi", "0.200", "1"), ("film.avi", "0.300", "1"), ("film.avi", "0.400", "1"),
    ]  # fmt: skip
    assert rows[0]["emotion"] == "happy"
    assert rows[0]["confidence"] == rows[0]["happy"]


@pytest.mark.parametrize("picture", [True, False])
def test_json_is_one_array(picture: bool, tmp_path: Path) -> None:
    write_clip(tmp_path / "short.avi", [portrait()] * 2)  # too short to confirm a face
    done = device("analyze", PORTRAIT if picture else "short.avi", "--json", *DECLARED, cwd=tmp_path)
    rows = json.loads(done.stdout)
    assert len(rows) == picture
    assert ("1 without a face" in done.stderr) is not picture
    assert set(rows[0] if rows else ()) == (
        {"file", "time_s", "face", "emotion", "confidence", "box", "scores"} if picture else set()
    )


def test_a_file_that_cannot_be_read_costs_a_sentence_and_not_the_others(tmp_path: Path) -> None:
    (tmp_path / "a-cut.jpg").write_bytes(b"not a picture")
    (tmp_path / "b.jpg").write_bytes(PORTRAIT.read_bytes())
    (tmp_path / "notes.txt").write_text("no picture")
    done = device("analyze", tmp_path, *DECLARED, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    damaged, report = done.stderr.splitlines()
    assert damaged.startswith("device: ") and "a-cut.jpg: the picture cannot be decoded" in damaged
    assert report == "device: 1 row from 2 files, 1 unreadable, 1 of other kinds left out."
    assert all(len(line) <= 80 for line in done.stdout.replace(str(tmp_path), "").splitlines())


@pytest.mark.parametrize("named", [False, True])
def test_a_link_that_cannot_be_followed_costs_a_sentence_and_not_the_others(tmp_path: Path, named: bool) -> None:
    (tmp_path / "a-link.jpg").symlink_to(LONG_NAME)
    (tmp_path / "b.jpg").write_bytes(PORTRAIT.read_bytes())
    paths = ["a-link.jpg", "b.jpg"] if named else ["."]
    done = device("analyze", *paths, "--csv", "faces.csv", *DECLARED, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.splitlines() == [
        "device: a-link.jpg: the file cannot be read: File name too long.",
        "device: 1 row from 2 files, 1 unreadable; written to faces.csv.",
    ]
    assert (tmp_path / "faces.csv").read_text().splitlines()[1].startswith("b.jpg,,1,happy,")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["absent.jpg", *DECLARED], 1, "no such file"),
        (["here.jpg"], 2, "device.purpose and device.jurisdiction are not set"),
        (["here.jpg", "--csv", "here.jpg", *DECLARED], 2, "one of the files to read"),
        (["here.jpg", "--csv", "absent/out.csv", *DECLARED], 1, "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "here.jpg").write_bytes(PORTRAIT.read_bytes())
    assert words in refusal(device("analyze", *arguments, cwd=tmp_path), code)
    assert (tmp_path / "here.jpg").read_bytes() == PORTRAIT.read_bytes()


def test_a_terminal_shows_a_bar(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [str(DEVICE), "analyze", str(PORTRAIT), "--csv", "faces.csv", *DECLARED]
    around = os.environ | {"STATE_DIRECTORY": str(tmp_path), "COLUMNS": "60"}
    done = subprocess.run(command, cwd=tmp_path, env=around, stderr=theirs, timeout=120)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "0 of 1  astronaut.jpg" in shown
    assert shown.splitlines()[-1].endswith("1 row from 1 file; written to faces.csv.")
