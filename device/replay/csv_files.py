"""What is replayed, read from CSV files: the labels of clips, and recorded scores."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from device.errors import UsageError
from device.replay.metrics import Look, Segment

COLUMNS = ("clip", "start_s", "end_s", "emotion")


def read_labels(path: Path) -> dict[str, list[tuple[int, Segment]]]:
    """Segments of each clip, in the order of time, with the line on which each stands.

    Raises:
        UsageError: the file cannot be read, or says what cannot be.
    """
    found: dict[str, list[tuple[int, Segment]]] = {}
    for number, row in _read(path, COLUMNS):
        start_s, end_s = (_number(path, number, row, key) for key in ("start_s", "end_s"))
        segment = Segment(start_s, end_s, row["emotion"])
        before = found.setdefault(row["clip"], [])
        if segment.end_s <= segment.start_s or (before and segment.start_s < before[-1][1].end_s):
            raise UsageError(
                f"{path}, line {number}: this segment ends before it starts, or begins before the one above it ended; "
                "write a clip's segments in the order of time."
            )
        before.append((number, segment))
    if not found:
        raise UsageError(f"{path}: there are no labels in this file; a line is clip,start_s,end_s,emotion.")
    return found


def read_scores(path: Path) -> tuple[tuple[str, ...], list[Look]]:
    """A recording of scores: names of the labels, and one face that is always large enough to be read.

    Raises:
        UsageError: see `read_labels`.
    """
    looks: list[Look] = []
    names: tuple[str, ...] = ()
    for number, row in _read(path, ("time_s",)):
        names = tuple(name for name in row if name != "time_s")
        scores = tuple(_number(path, number, row, name) for name in names)
        looks.append(Look(_number(path, number, row, "time_s"), 1, scores, math.inf))
        if not math.isclose(sum(scores), 1.0, abs_tol=0.01):
            raise UsageError(f"{path}, line {number}: the scores sum to {sum(scores):g}, but must sum to 1.")
    if not looks:
        raise UsageError(f"{path}: there are no scores in this file.")
    return names, looks


def _read(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines of a CSV file with their numbers.

    Raises:
        UsageError: the file cannot be read, lacks a column, or a line has too few or too many cells.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file, restkey="", restval=None)
            lacking = [column for column in columns if column not in (lines.fieldnames or ())]
            if lacking:
                raise UsageError(f"{path}, line 1: the first line must name the column {lacking[0]}.")
            for row in lines:
                if None in row.values() or "" in row:
                    count = len(lines.fieldnames or ())
                    raise UsageError(f"{path}, line {lines.line_num}: there must be {count} cells.")
                yield lines.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no CSV file in UTF-8"
        raise UsageError(f"{path}: the file cannot be read: {reason}.") from error


def _number(path: Path, line: int, row: dict[str, str], key: str) -> float:
    try:
        value = float(row[key])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{path}, line {line}: {key} is {row[key]!r}, but must be a number at least 0.")
    return value
