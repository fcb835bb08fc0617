"""Rows of the history: means of the summaries of one second, and their JSON and CSV."""

from __future__ import annotations

import csv
import io
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from device.dashboard.history_file import ATTENTION_COLUMNS, VALENCE_COLUMNS

Row = dict[str, Any]  # {"t", "faces", "counts", "valence", "attention"}, see `SecondMean.row`
DIGITS = 4


class SecondMean:
    """The mean of all summaries that arrived in one second.

    Args:
        second: UNIX seconds, whole.
        repeated: it holds no message of this second, but an earlier one.
    """

    def __init__(self, second: int, repeated: bool = False) -> None:
        self.second, self.repeated = second, repeated
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._numbers: defaultdict[str, int] = defaultdict(int)

    def add(self, summary: dict[str, Any]) -> None:
        """Take in a summary, as `parse_message` returns it."""
        self._add("faces", summary["faces"])
        for label, count in summary["counts"].items():
            self._add(f"counts.{label}", count)
        for part, columns in (("valence", VALENCE_COLUMNS), ("attention", ATTENTION_COLUMNS)):
            values = summary.get(part) or {}
            for column in columns:
                if values.get(column) is not None:
                    self._add(column, values[column])

    def values(self) -> dict[str, float]:
        """The means by column; those of labels by `counts.<label>`."""
        return {name: total / self._numbers[name] for name, total in self._sums.items()}

    def _add(self, name: str, value: float) -> None:
        self._sums[name] += value
        self._numbers[name] += 1


def make_row(t: int, values: dict[str, float | None]) -> Row:
    """One row of `GET /api/history`.

    Args:
        t: UNIX seconds of its begin.
        values: the means by column; those of labels by `counts.<label>`.
    """
    return {
        "t": t,
        "faces": _rounded(values.get("faces")),
        "counts": {
            name.removeprefix("counts."): _rounded(value)
            for name, value in values.items()
            if name.startswith("counts.") and value is not None
        },
        "valence": _part(values, VALENCE_COLUMNS),
        "attention": _part(values, ATTENTION_COLUMNS),
    }


def csv_lines(labels: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """The rows as CSV, first a header; times are ISO 8601 in UTC, absent values are empty."""
    parts = [*(f"valence_{name}" for name in VALENCE_COLUMNS), *(f"attention_{name}" for name in ATTENTION_COLUMNS)]
    yield _line(["time", "faces", *labels, *parts])
    for row in rows:
        valence, attention = row["valence"] or {}, row["attention"] or {}
        yield _line(
            [
                time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["t"])),
                row["faces"],
                *(row["counts"].get(label) for label in labels),
                *(valence.get(column) for column in VALENCE_COLUMNS),
                *(attention.get(column) for column in ATTENTION_COLUMNS),
            ]
        )


def _line(cells: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _part(values: dict[str, float | None], columns: Sequence[str]) -> dict[str, float | None] | None:
    part = {column: _rounded(values.get(column)) for column in columns}
    return part if any(value is not None for value in part.values()) else None


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    number = round(value, DIGITS)
    return int(number) if number == int(number) else number
