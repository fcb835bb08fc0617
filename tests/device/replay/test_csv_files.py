"""Labels and recorded scores from CSV files; an error names the line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from device.errors import UsageError
from device.replay.csv_files import read_labels, read_scores
from device.replay.metrics import FrameScores, Segment

HEAD = "clip,start_s,end_s,emotion\n"


def file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "given.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_labels_are_read_by_clip(tmp_path: Path) -> None:
    text = HEAD + "a.mp4,0,2.5,happy\nb.mp4,1,2,sad\na.mp4,2.5,3,angry\n"
    assert read_labels(file(tmp_path, text)) == {
        "a.mp4": [(2, Segment(0.0, 2.5, "happy")), (4, Segment(2.5, 3.0, "angry"))],
        "b.mp4": [(3, Segment(1.0, 2.0, "sad"))],
    }


def test_columns_may_have_any_order_and_there_may_be_more(tmp_path: Path) -> None:
    text = "\ufeffemotion,who,end_s,start_s,clip\nhappy,ada,2,1,a.mp4\n"  # as spreadsheets write it
    assert read_labels(file(tmp_path, text)) == {"a.mp4": [(2, Segment(1.0, 2.0, "happy"))]}


def test_scores_are_read(tmp_path: Path) -> None:
    names, frames = read_scores(file(tmp_path, "time_s,happy,sad\n0,0.75,0.25\n0.5,0,1\n"))
    assert names == ("happy", "sad")
    assert frames == [FrameScores(0.0, 1, (0.75, 0.25), math.inf), FrameScores(0.5, 1, (0.0, 1.0), math.inf)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: the header has no column clip; add it."),
        ("clip,start_s,emotion\na,1,happy\n", "line 1: the header has no column end_s; add it."),
        (HEAD, "the file has no labels; add lines with clip,start_s,end_s,emotion."),
        (HEAD + "a,0,1\n", "line 2: this line must have 4 cells, like the header."),
        (HEAD + "a,0,1,happy\na,0,1,happy,really\n", "line 3: this line must have 4 cells, like the header."),
        (HEAD + "a,soon,1,happy\n", "line 2: start_s is 'soon'; it must be a number of at least 0."),
        (HEAD + "a,0,nan,happy\n", "line 2: end_s is 'nan'; it must be a number of at least 0."),
        (HEAD + "a,-1,1,happy\n", "line 2: start_s is '-1'; it must be a number of at least 0."),
        (HEAD + "a,2,2,happy\n", "line 2: this segment ends before it starts"),
        (HEAD + "a,0,2,happy\na,1.5,3,sad\n", "line 3: this segment ends before it starts, or overlaps"),
        (HEAD + ",0,1,happy\n", "line 2: clip is ''; it must be the name of a file."),
        (b"\xff\xfe\x00", "the file cannot be read: it is not a CSV file in UTF-8."),
    ],
)
def test_invalid_labels_are_an_error_with_the_line(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_labels(file(tmp_path, text))
    assert str(raised.value).startswith(str(tmp_path / "given.csv"))
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seconds,happy,sad\n0,1,0\n", "line 1: the header has no column time_s; add it."),
        ("time_s,happy,sad\n", "the file has no scores; add a line for each frame."),
        ("time_s,happy,sad\n0,1,0\n1,0.5,0.4\n", "line 3: the scores sum to 0.9; they must sum to 1."),
        ("time_s,happy\n0,1\n", "line 1: the header must have a column for each of at least two labels."),
        ("time_s\n0\n", "line 1: the header must have a column for each of at least two labels."),
        ("time_s,happy,sad\n1,1,0\n1,1,0\n", "line 3: time_s is not above that of the line before; sort the lines."),
        ("time_s,happy,sad\n1,1,0\n0.5,1,0\n", "line 3: time_s is not above that of the line before; sort the lines."),
        ("time_s,happy,sad\n0,yes,0\n", "line 2: happy is 'yes'; it must be a number of at least 0."),
    ],
)
def test_invalid_scores_are_an_error_with_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=r"given\.csv") as raised:
        read_scores(file(tmp_path, text))
    assert sentence in str(raised.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the file cannot be read: No such file or directory\.$"):
        read_labels(tmp_path / "given.csv")
