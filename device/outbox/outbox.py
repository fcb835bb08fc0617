"""A durable, bounded first-in-first-out queue of events that the broker has not acknowledged.

An event is on disk before it may be sent, and is deleted when the broker has acknowledged it. The
same file holds the sequence counter, so a number is used once per state folder, even if the
process is killed.
"""

from __future__ import annotations

import dataclasses
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from device.config.schema import OutboxConfig
from device.errors import StateError
from device.messages import EmotionEvent
from device.outbox.clock import Clocks, Timeline, continue_timeline
from device.outbox.database import (
    FILE,
    MAX_BATCH,
    error_sentence,
    is_damage,
    open_database,
    raise_ceiling,
    replace_damaged,
)
from device.outbox.event_row import parse_event

log = logging.getLogger(__name__)

MAX_HELD = MAX_BATCH  # events kept in memory while the disk cannot be written
SIZE = "length(CAST(body AS BLOB))"  # length(body) would count characters, not bytes


@dataclass(frozen=True)
class Waiting:
    """An event with its `seq`, and the time of its recording on the clock of `Outbox.now_s`."""

    event: EmotionEvent
    recorded_s: float


@dataclass(frozen=True)
class Stored:
    """Totals of the file: events, their bytes, events ever dropped, last sequence number."""

    depth: int
    size: int
    dropped: int
    last_seq: int


class Outbox:
    """A queue of events in `outbox.db`, safe to use from several threads of one process.

    If the disk becomes full or fails later, the queue goes on: events that cannot be written are
    held in memory, every call tries to write them again, and `trouble` gives the reason.

    Args:
        path: The state folder, created if it does not exist; None keeps everything in memory.
        limits: Maximum number, bytes and age of events; beyond, the oldest are dropped and counted.
        clocks: The clocks that ages are measured with.

    Raises:
        StateError: The folder cannot be written, or another process uses it. Any method raises it
            if the file is damaged and no new one can be created.
    """

    def __init__(self, path: Path | None, limits: OutboxConfig, clocks: Clocks | None = None) -> None:
        self.trouble: str | None = None  # why the last write failed; None when it did not
        self.damaged = 0  # times the file was damaged, renamed and replaced
        self._folder = path
        self._where = "memory" if path is None else str(path / FILE)
        self._limits = limits
        self._clocks = clocks or Clocks()
        self._lock = threading.Lock()
        self._held: deque[tuple[float, str]] = deque()  # recorded, body: not on disk yet
        self._acknowledged: set[int] = set()  # acknowledged, but not deleted from the disk yet
        self._uncounted = 0  # dropped, but not counted on disk yet
        self._ceiling = 0
        self._db, replaced = open_database(path)
        self._load(replaced)
        with self._lock:
            self._write()

    def append(self, *events: EmotionEvent) -> int | None:
        """Number events and commit them together; afterwards a power cut cannot lose them.

        Returns:
            The `seq` of the last event; None if the disk cannot be written.
        """
        with self._lock:
            now_s = self.now_s()
            self._held.extend((now_s, event.to_json()) for event in events)
            while len(self._held) > MAX_HELD:
                self._held.popleft()
                self._uncounted += 1
            self._write()
            return None if self._held else self._stored.last_seq

    def pending(self, limit: int, after_seq: int = 0) -> list[Waiting]:
        """The oldest waiting events with a `seq` above `after_seq`, in order, at most `limit`."""
        query = "SELECT seq, recorded, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._lock:
            self._write()
            try:
                rows = self._db.execute(query, (after_seq, limit + len(self._acknowledged))).fetchall()
            except sqlite3.Error as error:
                self._fail(error)
                return []
            return [waiting for row in rows if row[0] not in self._acknowledged and (waiting := self._parse(*row))][
                :limit
            ]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Delete events that the broker has acknowledged; unknown numbers are ignored."""
        with self._lock:
            self._acknowledged.update(filter(self._is_stored, seqs))
            self._write()

    def now_s(self) -> float:
        """The clock of the outbox in seconds: close to UNIX time, but it never jumps."""
        return self._timeline.now_s(self._clocks)

    @property
    def last_seq(self) -> int:
        """The last sequence number used; 0 before the first."""
        return self._stored.last_seq

    @property
    def depth(self) -> int:
        """Number of waiting events."""
        return self._stored.depth - len(self._acknowledged) + len(self._held)

    @property
    def size(self) -> int:
        """Bytes of the events on disk."""
        return self._stored.size

    @property
    def held(self) -> int:
        """Number of events held only in memory because the disk cannot be written."""
        return len(self._held)

    @property
    def dropped(self) -> int:
        """Number of events dropped since the state folder was created."""
        return self._stored.dropped + self._uncounted

    @property
    def oldest_age_s(self) -> float | None:
        """Age of the oldest waiting event in seconds; None if none waits."""
        waiting = self.pending(1)
        oldest = waiting[0].recorded_s if waiting else self._held[0][0] if self._held else None
        return None if oldest is None else self.now_s() - oldest

    def close(self) -> None:
        """Write what can be written and close the file; waiting events stay on disk."""
        with self._lock:
            self._write()
            if self._held:
                log.warning("%d events could not be written and are lost. %s", len(self._held), self.trouble)
            self._db.close()

    def _load(self, replaced: bool) -> None:
        """Read the totals and the timeline of the file that was just opened."""
        self.damaged += replaced
        depth, size, latest_s = self._db.execute(
            f"SELECT count(*), ifnull(sum({SIZE}), 0), ifnull(max(recorded), 0) FROM events"
        ).fetchone()
        (dropped,) = self._db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()
        last = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        self._stored = Stored(depth, size, dropped, last[0] if last else 0)
        saved = self._db.execute("SELECT boot, offset_s FROM timeline").fetchone()
        self._saved_timeline = Timeline(*saved) if saved else None
        self._timeline = continue_timeline(self._saved_timeline, latest_s, self._clocks)

    def _is_stored(self, seq: int) -> bool:
        try:
            return self._db.execute("SELECT 1 FROM events WHERE seq = ?", (seq,)).fetchone() is not None
        except sqlite3.Error:
            return False

    def _write(self) -> None:
        """Delete, insert and trim in one transaction; if it fails, the next call tries again."""
        try:
            # FULL: a commit is on the medium when it returns. NORMAL is enough for deletions: an
            # event that reappears after a power cut is only sent twice.
            self._db.execute(f"PRAGMA synchronous={'FULL' if self._held else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            stored = self._trim(self._insert_held(self._delete_acknowledged(self._stored)))
            self._save_timeline()
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(error)
            return
        self._stored, self._saved_timeline = stored, self._timeline
        self._acknowledged.clear()
        self._held.clear()
        self._uncounted = 0
        if self.trouble is not None:
            log.warning("the state folder can be written again; no event is held in memory any more.")
            self.trouble = None

    def _delete_acknowledged(self, stored: Stored) -> Stored:
        """Delete the acknowledged events; unknown numbers are ignored."""
        for seq in self._acknowledged:
            row = self._db.execute(f"DELETE FROM events WHERE seq = ? RETURNING {SIZE}", (seq,)).fetchone()
            if row is not None:
                stored = dataclasses.replace(stored, depth=stored.depth - 1, size=stored.size - row[0])
        return stored

    def _insert_held(self, stored: Stored) -> Stored:
        """Insert the events that are held in memory."""
        for recorded, body in self._held:
            cursor = self._db.execute("INSERT INTO events (recorded, body) VALUES (?, ?)", (recorded, body))
            depth, size = stored.depth + 1, stored.size + len(body.encode())
            stored = dataclasses.replace(stored, depth=depth, size=size, last_seq=cursor.lastrowid or 0)
        if stored.last_seq != self._stored.last_seq:
            self._db.execute("INSERT OR REPLACE INTO counters VALUES ('last_seq', ?)", (stored.last_seq,))
        if self._folder is not None and stored.last_seq > self._ceiling:
            self._ceiling = raise_ceiling(self._folder, stored.last_seq)
        return stored

    def _trim(self, stored: Stored) -> Stored:
        """Drop and count events beyond the limits, the oldest first."""
        depth, size, last_dropped = stored.depth, stored.size, 0
        horizon_s = self.now_s() - self._limits.max_age_s
        for seq, recorded, length in self._db.execute(f"SELECT seq, recorded, {SIZE} FROM events ORDER BY seq"):
            if depth <= self._limits.max_events and size <= self._limits.max_bytes and recorded >= horizon_s:
                break
            depth, size, last_dropped = depth - 1, size - length, seq
        dropped = stored.dropped + stored.depth - depth + self._uncounted
        if last_dropped:
            self._db.execute("DELETE FROM events WHERE seq <= ?", (last_dropped,))
        if dropped != stored.dropped:
            self._db.execute("UPDATE counters SET value = ? WHERE name = 'dropped'", (dropped,))
        return dataclasses.replace(stored, depth=depth, size=size, dropped=dropped)

    def _save_timeline(self) -> None:
        if self._timeline != self._saved_timeline:
            self._db.execute("DELETE FROM timeline")
            self._db.execute("INSERT INTO timeline VALUES (?, ?)", (self._timeline.boot, self._timeline.offset_s))

    def _parse(self, seq: int, recorded: float, body: str) -> Waiting | None:
        """Parse a row; one that a bad disk or another version left invalid is dropped."""
        try:
            return Waiting(parse_event(body, seq), recorded)
        except (ValueError, TypeError, KeyError):
            log.warning("event %d in the outbox is not valid and is dropped.", seq)
            self._acknowledged.add(seq)
            self._uncounted += 1
            return None

    def _fail(self, error: sqlite3.Error) -> None:
        """Roll back and log the reason once; replace the file if it is damaged."""
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        if self._folder is not None and is_damage(error):
            self._replace_file(self._folder, error)
            return
        trouble = error_sentence(self._where, error)
        if self.trouble is None:
            log.warning("%s Until then events are held in memory, the newest %d at most.", trouble, MAX_HELD)
        self.trouble = trouble

    def _replace_file(self, folder: Path, error: sqlite3.Error) -> None:
        """Continue with an empty file; the events of the damaged one are lost, and counted."""
        before = self._stored
        try:
            self._db.close()
            self._db = replace_damaged(folder, error, before.last_seq)
            self._load(replaced=True)
        except (OSError, sqlite3.Error) as worse:
            raise StateError(error_sentence(self._where, worse)) from worse
        self._uncounted += before.depth - len(self._acknowledged) + before.dropped
        self._acknowledged.clear()
