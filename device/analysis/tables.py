"""Writes rows of faces: as CSV, as a JSON array, or as lines for people."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from device.analysis.analyzer import FaceRow
from device.errors import StateError

COLUMNS = ("file", "time_s", "face", "emotion", "confidence", "x", "y", "width", "height")
DIGITS = 4  # of scores
HEADER = f"{'time':>9}  face  {'expression':<12}confidence  file"


class Table(Protocol):
    """Takes one row after another."""

    def write(self, row: FaceRow) -> None:
        """Add a row."""


class CsvTable:
    """A header, then one line a row; the scores are the last columns, by their labels."""

    def __init__(self, stream: TextIO, labels: Sequence[str]) -> None:
        self._labels = labels
        self._lines = csv.writer(stream, lineterminator="\n")
        self._lines.writerow([*COLUMNS, *labels])

    def write(self, row: FaceRow) -> None:
        """See `Table`."""
        time_s = "" if row.time_s is None else f"{row.time_s:.3f}"
        box = [round(value) for value in row.box]
        numbers = [f"{value:.{DIGITS}f}" for value in (row.confidence, *(row.scores[name] for name in self._labels))]
        self._lines.writerow([row.file, time_s, row.face, row.emotion, numbers[0], *box, *numbers[1:]])


class JsonTable:
    """An array, one object a line; `close` ends it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._before = "[\n"

    def write(self, row: FaceRow) -> None:
        """See `Table`."""
        values = {
            "file": row.file,
            "time_s": None if row.time_s is None else round(row.time_s, 3),
            "face": row.face,
            "emotion": row.emotion,
            "confidence": round(row.confidence, DIGITS),
            "box": [round(value) for value in row.box],
            "scores": {name: round(score, DIGITS) for name, score in row.scores.items()},
        }
        self._stream.write(self._before + json.dumps(values, ensure_ascii=False))
        self._before = ",\n"

    def close(self) -> None:
        """End the array."""
        self._stream.write("[]\n" if self._before == "[\n" else "\n]\n")


class TextTable:
    """Lines for people, with a title above the first one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = HEADER + "\n"

    def write(self, row: FaceRow) -> None:
        """See `Table`."""
        time = "photo" if row.time_s is None else f"{row.time_s:.2f} s"
        line = f"{time:>9}  {row.face:>4}  {row.emotion:<12}{row.confidence:>10.2f}  {row.file}\n"
        self._stream.write(self._title + line)
        self._title = ""


@contextmanager
def open_csv(path: Path, labels: Sequence[str]) -> Iterator[CsvTable]:
    """A CSV file in UTF-8 that replaces what is there.

    Raises:
        StateError: it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield CsvTable(stream, labels)
    except OSError as error:
        raise StateError(f"{path}: the table cannot be written: {error.strerror}.") from error


@contextmanager
def open_json(stream: TextIO) -> Iterator[JsonTable]:
    """A JSON array that is complete even if the work is cut off."""
    table = JsonTable(stream)
    try:
        yield table
    finally:
        table.close()
