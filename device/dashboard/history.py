"""The last day of one board: means of its summaries by the second, and its alerts. No pictures.

The file is bounded by age: a row a second, and at most `MAX_ALERTS` alerts.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from device.dashboard.history_file import (
    ALERT_COLUMNS,
    COLUMNS,
    LABEL_COLUMNS,
    MAX_LABELS,
    is_damage,
    open_history_file,
    replace_history_file,
)
from device.dashboard.history_rows import Row, SecondMean, make_row

log = logging.getLogger(__name__)

MAX_ALERTS = 10_000
MAX_PENDING = 600  # rows kept in memory while the file cannot be written
FLUSH_S = 10.0  # a crash loses no more
PRUNE_S = 600.0
JUMP_S = 60.0  # the clock was set; for PRUNE_S nothing is deleted, for it may be set again
MAX_ROWS = 5000  # of one answer
CHUNK_S = 3600  # seconds of history read at once for an export
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")


class History:
    """Writes and reads the history; every method may be called from any thread.

    Args:
        path: the file; its folder is created.
        hours: older rows are deleted.
        clock: UNIX seconds.

    Raises:
        StateError: the folder cannot be written, or another process uses the file.
    """

    def __init__(self, path: Path, hours: float, clock: Callable[[], float] = time.time) -> None:
        self.error: str | None = None  # why the file cannot be written now
        self._path, self._keep_s, self._clock = path, hours * 3600, clock
        self._lock = threading.RLock()
        self._db = open_history_file(path)
        self._labels: dict[str, str] = {}  # label -> its column
        self._current: SecondMean | None = None
        self._pending: list[SecondMean] = []
        self._pending_alerts: list[tuple[Any, ...]] = []
        self._flush_due_s = self._prune_due_s = 0.0  # monotonic seconds
        self._offset_s = self._clock() - time.monotonic()
        try:
            self._read_labels()
            self._delete_old()
        except sqlite3.Error as error:  # a full disk: what is older stays until there is room
            self._fail(error)

    def close(self) -> None:
        """Write what is pending, and close the file."""
        with self._lock:
            self._flush(all_of_it=True)
            self._db.close()

    def add_summary(self, summary: dict[str, Any], repeated: bool = False) -> None:
        """Take in a summary, as `parse_message` returns it; its time is that of the arrival.

        With `repeated` it is an earlier one that still holds; it counts for a second in which no
        other comes.
        """
        with self._lock:
            second = int(self._clock())
            if self._current is not None and self._current.second == second:
                if repeated:
                    return
                if not self._current.repeated:
                    self._current.add(summary)
                    return
            else:
                self._end_second()
            self._current = SecondMean(second, repeated)
            self._current.add(summary)

    def add_alert(self, alert: dict[str, Any]) -> None:
        """Take in an alert, as `live_state.alert_of` returns it; a repeated one is ignored."""
        now_s = self._clock()
        at_s = alert["ts"] if now_s - self._keep_s <= alert["ts"] <= now_s + JUMP_S else now_s
        with self._lock:
            self._pending_alerts.append(tuple((alert | {"ts": at_s})[name] for name in ALERT_COLUMNS))
            del self._pending_alerts[:-MAX_PENDING]

    def tick(self) -> None:
        """Write and delete what is due; call it about once a second."""
        now_s = time.monotonic()
        with self._lock:
            if now_s >= self._flush_due_s:
                self._flush_due_s = now_s + FLUSH_S
                self._flush()
            offset_s = self._clock() - now_s
            if abs(offset_s - self._offset_s) > JUMP_S or self._prune_due_s == 0.0:
                self._prune_due_s = now_s + PRUNE_S
            self._offset_s = offset_s
            if now_s >= self._prune_due_s:
                self._prune_due_s = now_s + PRUNE_S
                self._prune()

    def labels(self) -> list[str]:
        """All labels of the history, in the order in which they were first seen."""
        with self._lock:
            self._flush()
            return list(self._labels)

    def rows(self, from_s: float, to_s: float, step_s: int) -> tuple[int, list[Row]]:
        """The rows of a time span, each the mean over a step.

        Args:
            from_s, to_s: UNIX seconds; `to_s` is excluded.
            step_s: whole seconds; a larger one is taken where there would be too many rows.

        Returns:
            The step that was taken, and the rows with data, oldest first.
        """
        begin, end = self._bounds(from_s, to_s)
        step = max(1, step_s, -(-(end - begin) // MAX_ROWS))
        return step, self._select(begin, end, step)

    def export(self, from_s: float, to_s: float, step_s: int) -> Iterator[Row]:
        """All rows of a time span, in parts, so that a day does not fill the memory."""
        begin, end = self._bounds(from_s, to_s)
        step = max(1, step_s)
        chunk = step * max(1, CHUNK_S // step)
        begin -= begin % step
        for start in range(begin, end, chunk):
            yield from self._select(start, min(start + chunk, end), step)

    def alerts(self, from_s: float, to_s: float, limit: int = MAX_ALERTS) -> list[dict[str, Any]]:
        """The alerts of a time span, newest first."""
        query = f"SELECT {', '.join(ALERT_COLUMNS)} FROM alerts WHERE ts >= ? AND ts < ? ORDER BY ts DESC LIMIT ?"
        found = self._query(query, (from_s, to_s, limit))
        alerts = [dict(zip(ALERT_COLUMNS, row, strict=True)) for row in found]
        return [alert | {"replayed": bool(alert["replayed"])} for alert in alerts]

    def _bounds(self, from_s: float, to_s: float) -> tuple[int, int]:
        """Whole seconds, within what is kept."""
        now_s = self._clock()
        low, high = int(now_s - self._keep_s) - 1, int(now_s + JUMP_S)
        begin = int(min(max(from_s, low), high))
        return begin, int(min(max(to_s, begin), high))

    def _select(self, begin: int, end: int, step: int) -> list[Row]:
        with self._lock:
            self._flush()
            names = {column: f"counts.{label}" for label, column in self._labels.items()}
            columns = [column for column in COLUMNS if column in names or column not in LABEL_COLUMNS]
        means = ", ".join(f"avg({column})" for column in columns)
        query = f"SELECT t / ?1 * ?1 AS at, {means} FROM seconds WHERE t >= ?2 AND t < ?3 GROUP BY at ORDER BY at"
        found = self._query(query, (step, begin, end))
        return [
            make_row(row[0], {names.get(c, c): value for c, value in zip(columns, row[1:], strict=True)})
            for row in found
        ]

    def _query(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            self._flush()
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                self._fail(error)
                return []

    def _end_second(self) -> None:
        if self._current is not None:
            self._pending.append(self._current)
            del self._pending[:-MAX_PENDING]
        self._current = None

    def _flush(self, all_of_it: bool = False) -> None:
        if self._current is not None and (all_of_it or self._current.second != int(self._clock())):
            self._end_second()
        if not (self._pending or self._pending_alerts):
            return
        try:
            with self._transaction():
                for second in self._pending:
                    self._write(second)
                marks = ", ".join("?" * len(ALERT_COLUMNS))
                self._db.executemany(f"INSERT OR IGNORE INTO alerts VALUES ({marks})", self._pending_alerts)
        except sqlite3.Error as error:
            self._fail(error)
            return
        self.error = None
        self._pending.clear()
        self._pending_alerts.clear()

    def _write(self, second: SecondMean) -> None:
        values = {
            column: value for name, value in second.values().items() if (column := self._column(name)) is not None
        }
        marks = ", ".join("?" * (len(values) + 1))
        self._db.execute(
            f"INSERT OR REPLACE INTO seconds (t, {', '.join(values)}) VALUES ({marks})",
            (second.second, *values.values()),
        )

    def _column(self, name: str) -> str | None:
        """The column of a mean; None for a label that is none, or one too many."""
        label = name.removeprefix("counts.")
        if label == name:
            return name
        if label not in self._labels and LABEL.fullmatch(label) and len(self._labels) < MAX_LABELS:
            number = next(n for n in range(MAX_LABELS) if LABEL_COLUMNS[n] not in self._labels.values())
            self._db.execute("INSERT INTO labels VALUES (?, ?)", (number, label))
            self._labels[label] = LABEL_COLUMNS[number]
        return self._labels.get(label)

    def _read_labels(self) -> None:
        found = self._db.execute("SELECT number, name FROM labels ORDER BY number").fetchall()
        self._labels = {name: LABEL_COLUMNS[number] for number, name in found if 0 <= number < MAX_LABELS}

    def _prune(self) -> None:
        with suppress(OSError):
            os.utime(self._path)  # the file is in use, though its board may be silent
        try:
            self._delete_old()
            for table, column in (("seconds", "t"), ("alerts", "ts")):  # of a clock that was ahead
                self._db.execute(f"DELETE FROM {table} WHERE {column} > ?", (self._clock() + JUMP_S,))
            kept = "SELECT id FROM alerts ORDER BY ts DESC LIMIT ?"
            self._db.execute(f"DELETE FROM alerts WHERE id NOT IN ({kept})", (MAX_ALERTS,))
            for label, column in list(self._labels.items()):  # of an earlier model
                (most,) = self._db.execute(f"SELECT max({column}) FROM seconds").fetchone()
                if most is None:
                    self._db.execute("DELETE FROM labels WHERE name = ?", (label,))
                    del self._labels[label]
        except sqlite3.Error as error:
            self._fail(error)

    def _delete_old(self) -> None:
        limit_s = self._clock() - self._keep_s
        self._db.execute("DELETE FROM seconds WHERE t < ?", (limit_s,))
        self._db.execute("DELETE FROM alerts WHERE ts < ?", (limit_s,))

    def _transaction(self) -> sqlite3.Connection:
        """A context manager: commits, or rolls back what failed."""
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def _fail(self, error: sqlite3.Error) -> None:
        """Replace a damaged file; what else may be wrong is shown and tried again."""
        self._read_labels_again()
        if is_damage(error):
            with suppress(OSError, sqlite3.Error):
                self._db.close()
                self._db = replace_history_file(self._path, error)
                self._labels = {}
                return
        if self.error is None:
            log.warning("%s: the history cannot be written: %s; it is tried again.", self._path, error)
        self.error = f"The history cannot be written: {error}."

    def _read_labels_again(self) -> None:
        """After a failed transaction: the labels it added are not in the file."""
        with suppress(sqlite3.Error):
            self._read_labels()
