"""Reads the labels of clips, and recorded scores, from CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from device.errors import UsageError
from device.replay.metrics import FrameScores, Segment

LABEL_COLUMNS = ("clip", "start_s", "end_s", "emotion")


def read_labels(path: Path) -> dict[str, list[tuple[int, Segment]]]:
    """Read the labelled segments of each clip, from a file as described in docs/smoothing.md.

    Returns:
        By clip: the segments in the order of time, each with its line number.

    Raises:
        UsageError: the file cannot be read, or a line of it is invalid.
    """
    found: dict[str, list[tuple[int, Segment]]] = {}
    for number, row in read_rows(path, LABEL_COLUMNS):
        start_s, end_s = (read_number(path, number, row, key) for key in ("start_s", "end_s"))
        segment = Segment(start_s, end_s, row["emotion"])
        before = found.setdefault(read_name(path, number, row, "clip"), [])
        if segment.end_s <= segment.start_s or (before and segment.start_s < before[-1][1].end_s):
            raise UsageError(
                f"{path}, line {number}: this segment ends before it starts, or overlaps the segment above it; "
                "sort the segments of a clip by time."
            )
        before.append((number, segment))
    if not found:
        raise UsageError(f"{path}: the file has no labels; add lines with clip,start_s,end_s,emotion.")
    return found


def read_scores(path: Path) -> tuple[tuple[str, ...], list[FrameScores]]:
    """Read recorded scores of one face.

    Returns:
        The label of each score, and the frames. The face size is infinite, so that
        `device.smoother.min_face_px` never ignores a frame.

    Raises:
        UsageError: the file cannot be read, or a line of it is invalid.
    """
    frames: list[FrameScores] = []
    names: tuple[str, ...] = ()
    for number, row in read_rows(path, ("time_s",)):
        names = tuple(name for name in row if name != "time_s")
        if len(names) < 2:
            raise UsageError(f"{path}, line 1: the header must have a column for each of at least two labels.")
        scores = tuple(read_number(path, number, row, name) for name in names)
        time_s = read_number(path, number, row, "time_s")
        if frames and time_s <= frames[-1].time_s:
            raise UsageError(f"{path}, line {number}: time_s is not above that of the line before; sort the lines.")
        frames.append(FrameScores(time_s, 1, scores, math.inf))
        if not math.isclose(sum(scores), 1.0, abs_tol=0.01):
            raise UsageError(f"{path}, line {number}: the scores sum to {sum(scores):g}; they must sum to 1.")
    if not frames:
        raise UsageError(f"{path}: the file has no scores; add a line for each frame.")
    return names, frames


def read_header(path: Path) -> tuple[str, ...]:
    """Names of the columns of a CSV file.

    Raises:
        UsageError: the file cannot be read.
    """
    with _open(path) as file:
        return tuple(csv.DictReader(file).fieldnames or ())


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with their line numbers.

    Raises:
        UsageError: the file cannot be read, a column is missing, or a line has too few or too many
            cells.
    """
    with _open(path) as file:
        lines = csv.DictReader(file, restkey="", restval=None)
        missing = [column for column in columns if column not in (lines.fieldnames or ())]
        if missing:
            raise UsageError(f"{path}, line 1: the header has no column {missing[0]}; add it.")
        for row in lines:
            if None in row.values() or "" in row:
                count = len(lines.fieldnames or ())
                raise UsageError(f"{path}, line {lines.line_num}: this line must have {count} cells, like the header.")
            yield lines.line_num, row


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    """A CSV file; what goes wrong while it is read becomes one sentence."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a CSV file in UTF-8"
        raise UsageError(f"{path}: the file cannot be read: {reason}.") from error


def read_name(path: Path, line: int, row: dict[str, str], key: str) -> str:
    """A cell that names a file; an empty one would name the folder.

    Raises:
        UsageError: it names none.
    """
    if not Path(row[key]).name:
        raise UsageError(f"{path}, line {line}: {key} is {row[key]!r}; it must be the name of a file.")
    return row[key]


def read_number(path: Path, line: int, row: dict[str, str], key: str) -> float:
    """A cell that holds a number of at least 0.

    Raises:
        UsageError: it holds something else.
    """
    try:
        value = float(row[key])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{path}, line {line}: {key} is {row[key]!r}; it must be a number of at least 0.")
    return value
