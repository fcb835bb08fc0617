"""Writes rows of faces: as CSV, as a JSON array, or as lines for people."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from device.analysis.analyzer import FaceRow
from device.errors import StateError
from device.messages import AttentionState, to_json

COLUMNS = ("file", "time_s", "face", "emotion", "confidence", "x", "y", "width", "height")
ATTENTION_COLUMNS = tuple(field.name for field in dataclasses.fields(AttentionState))
DIGITS = 4  # of scores
HEADER = f"{'time':>9}  face  {'expression':<12}confidence  file"


class Table(Protocol):
    """Takes one row after another."""

    def write(self, row: FaceRow) -> None:
        """Add a row."""


class CsvTable:
    """A header, then one line a row; after the scores, by their labels, come those of attention."""

    def __init__(self, stream: TextIO, labels: Sequence[str], attention: bool = False) -> None:
        self._labels = labels
        self._attention = ATTENTION_COLUMNS if attention else ()
        self._lines = csv.writer(stream, lineterminator="\n")
        self._lines.writerow([*COLUMNS, *labels, *self._attention])

    def write(self, row: FaceRow) -> None:
        """See `Table`."""
        time_s = "" if row.time_s is None else f"{row.time_s:.3f}"
        box = [round(value) for value in row.box]
        numbers = [f"{value:.{DIGITS}f}" for value in (row.confidence, *(row.scores[name] for name in self._labels))]
        measured = attention_values(row.attention)
        attention = ["" if (value := measured.get(name)) is None else value for name in self._attention]
        self._lines.writerow([row.file, time_s, row.face, row.emotion, numbers[0], *box, *numbers[1:], *attention])


class JsonTable:
    """An array, one object a line; `close` ends it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._before = "[\n"

    def write(self, row: FaceRow) -> None:
        """See `Table`."""
        values: dict[str, Any] = {
            "file": row.file,
            "time_s": None if row.time_s is None else round(row.time_s, 3),
            "face": row.face,
            "emotion": row.emotion,
            "confidence": round(row.confidence, DIGITS),
            "box": [round(value) for value in row.box],
            "scores": {name: round(score, DIGITS) for name, score in row.scores.items()},
        }
        if row.attention is not None:
            values["attention"] = attention_values(row.attention)
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


def attention_values(state: AttentionState | None) -> dict[str, Any]:
    """The values by name, rounded as they are published; empty where there are none."""
    return {} if state is None else dict(json.loads(to_json(state)))


@contextmanager
def open_csv(path: Path, labels: Sequence[str], attention: bool = False) -> Iterator[CsvTable]:
    """A CSV file in UTF-8 that replaces what is there.

    Raises:
        StateError: it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield CsvTable(stream, labels, attention)
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
