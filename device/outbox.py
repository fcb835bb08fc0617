"""What could not be said yet: events on disk, in order, bounded, the oldest first out.

An event is on disk before anyone may offer it to the broker, and leaves when the broker has taken it. The same file
holds the sequence, so that a number is given once in the life of the state folder, whatever happens to the process.
"""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from device.config import DeviceConfig
from device.errors import StateError
from device.events import EmotionEvent

# AUTOINCREMENT: a number is not given again after its event was delivered and its row is gone.
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, recorded REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
"""
# Each of the two stops at the row it looks for, so that a full outbox costs no scan. Without such a row all must go.
FIRST_KEPT = """
SELECT max(
    ifnull((SELECT seq FROM events WHERE recorded >= ? ORDER BY seq LIMIT 1), 9223372036854775807),
    (SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET ?)
)
"""
# FULL: a commit is on the medium when it returns. EXCLUSIVE: two processes on one folder would send everything twice.
PRAGMAS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"


def state_dir(config: DeviceConfig) -> Path:
    """The state folder: the configured one, else what systemd gives, else under the home directory."""
    if config.state_dir is not None:
        return Path(config.state_dir).expanduser()
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else Path("~/.local/state/emotion-edge").expanduser()


class Outbox:
    """A queue of events in `outbox.db`, safe to use from several threads of one process.

    Args:
        path: the state folder, made if it is absent; None keeps everything in memory.
        max_events: more than this, and the oldest are dropped.
        max_age_s: older than this, and they are dropped, seconds.
        clock: UNIX seconds; ages are measured with it.

    Raises:
        StateError: the folder cannot be written, or its file is in use or damaged; any method, if the disk fails.
    """

    def __init__(
        self, path: Path | None, max_events: int, max_age_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._where = "memory" if path is None else str(path / "outbox.db")
        self._max_events = max_events
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = threading.Lock()
        self._depth = 0
        self._db = self._open(path)
        with self._transaction():
            (self._depth,) = self._db.execute("SELECT count(*) FROM events").fetchone()
            self._trim()

    def append(self, event: EmotionEvent) -> EmotionEvent:
        """Write an event down and number it; when this returns, a power cut no longer loses it.

        Returns:
            the event with its `seq`.
        """
        row = (self._clock(), event.to_json())
        with self._transaction():
            cursor = self._db.execute("INSERT INTO events (recorded, body) VALUES (?, ?)", row)
            self._depth += 1
            self._trim()
        return dataclasses.replace(event, seq=cursor.lastrowid)

    def pending(self, limit: int, after_seq: int = 0) -> list[EmotionEvent]:
        """The oldest waiting events with a number above `after_seq`, in order, at most `limit` of them."""
        with self._transaction():
            self._trim()
            rows = self._db.execute(
                "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit)
            ).fetchall()
        return [dataclasses.replace(EmotionEvent.from_json(body), seq=seq) for seq, body in rows]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Forget events that the broker has taken; numbers that are gone already are passed over."""
        with self._transaction():
            for seq in seqs:
                self._depth -= self._db.execute("DELETE FROM events WHERE seq = ?", (seq,)).rowcount

    @property
    def last_seq(self) -> int:
        """The number given last; 0 before the first."""
        row = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return int(row[0]) if row else 0

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._depth

    @property
    def dropped(self) -> int:
        """Events given up since the state folder was made."""
        row = self._one("SELECT value FROM counters WHERE name = 'dropped'")
        return int(row[0]) if row else 0

    @property
    def oldest_age_s(self) -> float | None:
        """Age of the oldest waiting event, seconds; None when none waits."""
        row = self._one("SELECT recorded FROM events ORDER BY seq LIMIT 1")
        return max(0.0, self._clock() - float(row[0])) if row else None

    def close(self) -> None:
        """Let the file go; what waits, waits on disk."""
        with self._lock:
            self._db.close()

    def _open(self, path: Path | None) -> sqlite3.Connection:
        try:
            if path is not None:
                path.mkdir(parents=True, exist_ok=True)
            name = ":memory:" if path is None else self._where
            db = sqlite3.connect(name, isolation_level=None, timeout=0, check_same_thread=False)
            db.executescript(PRAGMAS + SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StateError(_sentence(self._where, error)) from error
        return db

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, one thread at a time; the counted depth follows the file."""
        with self._lock:
            depth = self._depth
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                self._depth = depth
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StateError(_sentence(self._where, error)) from error
                raise

    def _trim(self) -> None:
        """Drop and count what is too old or too much, oldest first; inside a transaction."""
        if self._depth == 0:
            return
        horizon = self._clock() - self._max_age_s
        (first_kept,) = self._db.execute(FIRST_KEPT, (horizon, max(0, self._depth - self._max_events))).fetchone()
        gone = self._db.execute("DELETE FROM events WHERE seq < ?", (first_kept,)).rowcount
        if gone:
            self._depth -= gone
            self._db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (gone,))

    def _one(self, query: str) -> tuple[float, ...] | None:
        with self._lock:
            try:
                return self._db.execute(query).fetchone()  # type: ignore[no-any-return]
            except sqlite3.Error as error:
                raise StateError(_sentence(self._where, error)) from error


def _sentence(where: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if "locked" in str(reason):
        return f"{where}: another process uses this state folder; stop it, or give this one its own device.state_dir."
    if "not a database" in str(reason) or "malformed" in str(reason):
        return (
            f"{where}: the outbox is damaged ({reason}); move the file away to begin a new one, whose seq begins at 1."
        )
    return f"{where}: the state folder cannot be used: {reason}; check device.state_dir, its permissions and the disk."
