"""What could not be said yet: events on disk, in order, bounded, the oldest first out.

An event is on disk before anyone may offer it to the broker, and leaves when the broker has taken it. The same file
holds the sequence, so that a number is given once in the life of the state folder, whatever happens to the process.
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
from device.outbox.clock import Clocks, Timeline, continued
from device.outbox.database import FILE, begin_anew, is_damage, open_database, raise_ceiling, sentence

log = logging.getLogger(__name__)

HELD = 1000  # events kept in memory while the disk takes none
SIZE = "length(CAST(body AS BLOB))"  # bytes, where length(body) counts letters


@dataclass(frozen=True)
class Waiting:
    """An event with its `seq`, and when it was recorded, in the outbox's own time (`Outbox.now_s`)."""

    event: EmotionEvent
    recorded_s: float


@dataclass(frozen=True)
class Stored:
    """What is in the file: events, their bytes, how many were dropped in its life, the number given last."""

    depth: int
    size: int
    dropped: int
    last_seq: int


class Outbox:
    """A queue of events in `outbox.db`, safe to use from several threads of one process.

    A disk that is full or fails later stops nothing: what cannot be written is held in memory and tried again with
    every call, and `trouble` tells why.

    Args:
        path: the state folder, made if it is absent; None keeps everything in memory.
        limits: how many, how much and how old; beyond, the oldest are dropped and counted.
        clocks: ages are measured with them.

    Raises:
        StateError: the folder cannot be written, or another process uses it; any method, if the file is damaged and
            no new one can be made.
    """

    def __init__(self, path: Path | None, limits: OutboxConfig, clocks: Clocks | None = None) -> None:
        self.trouble: str | None = None  # why the last write failed; None when it did not
        self.damaged = 0  # times the file was found damaged, moved aside and begun anew
        self._folder = path
        self._where = "memory" if path is None else str(path / FILE)
        self._limits = limits
        self._clocks = clocks or Clocks()
        self._lock = threading.Lock()
        self._held: deque[tuple[float, str]] = deque()  # recorded, body: not on disk yet
        self._taken: set[int] = set()  # the broker has them, the disk still does
        self._lost = 0  # dropped, and not yet counted on disk
        self._ceiling = 0
        self._db, anew = open_database(path)
        self._begin(anew)
        with self._lock:
            self._write()

    def append(self, *events: EmotionEvent) -> int | None:
        """Write events down in one go and number them; when this returns, a power cut no longer loses them.

        Returns:
            the `seq` of the last; None while the disk takes nothing and they are held in memory.
        """
        with self._lock:
            now_s = self.now_s()
            self._held.extend((now_s, event.to_json()) for event in events)
            while len(self._held) > HELD:
                self._held.popleft()
                self._lost += 1
            self._write()
            return None if self._held else self._stored.last_seq

    def pending(self, limit: int, after_seq: int = 0) -> list[Waiting]:
        """The oldest waiting events with a number above `after_seq`, in order, at most `limit` of them."""
        query = "SELECT seq, recorded, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._lock:
            self._write()
            try:
                rows = self._db.execute(query, (after_seq, limit + len(self._taken))).fetchall()
            except sqlite3.Error as error:
                self._fail(error)
                return []
            return [waiting for row in rows if row[0] not in self._taken and (waiting := self._read(*row))][:limit]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Forget events that the broker has taken; numbers that are gone already are passed over."""
        with self._lock:
            self._taken.update(filter(self._is_stored, seqs))
            self._write()

    def now_s(self) -> float:
        """The outbox's own time, seconds: near to UNIX time, but no clock that is set makes it jump."""
        return self._timeline.now_s(self._clocks)

    @property
    def last_seq(self) -> int:
        """The number given last; 0 before the first."""
        return self._stored.last_seq

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._stored.depth - len(self._taken) + len(self._held)

    @property
    def size(self) -> int:
        """Bytes of the events on disk."""
        return self._stored.size

    @property
    def held(self) -> int:
        """Events that wait in memory alone, because the disk takes none."""
        return len(self._held)

    @property
    def dropped(self) -> int:
        """Events given up since the state folder was made."""
        return self._stored.dropped + self._lost

    @property
    def oldest_age_s(self) -> float | None:
        """Age of the oldest waiting event, seconds; None when none waits."""
        waiting = self.pending(1)
        oldest = waiting[0].recorded_s if waiting else self._held[0][0] if self._held else None
        return None if oldest is None else self.now_s() - oldest

    def close(self) -> None:
        """Let the file go; what waits, waits on disk."""
        with self._lock:
            self._write()
            if self._held:
                log.warning("%d events could not be written and are lost. %s", len(self._held), self.trouble)
            self._db.close()

    def _begin(self, anew: bool) -> None:
        """Learn what a file that was just opened holds."""
        self.damaged += anew
        depth, size, latest_s = self._db.execute(
            f"SELECT count(*), ifnull(sum({SIZE}), 0), ifnull(max(recorded), 0) FROM events"
        ).fetchone()
        (dropped,) = self._db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()
        given = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        self._stored = Stored(depth, size, dropped, given[0] if given else 0)
        saved = self._db.execute("SELECT boot, offset_s FROM timeline").fetchone()
        self._saved_timeline = Timeline(*saved) if saved else None
        self._timeline = continued(self._saved_timeline, latest_s, self._clocks)

    def _is_stored(self, seq: int) -> bool:
        try:
            return self._db.execute("SELECT 1 FROM events WHERE seq = ?", (seq,)).fetchone() is not None
        except sqlite3.Error:
            return False

    def _write(self) -> None:
        """One transaction: forget, write down, drop. If it fails, nothing happened and the next call tries again."""
        try:
            # FULL: a commit is on the medium when it returns. What is forgotten may come back after a power cut.
            self._db.execute(f"PRAGMA synchronous={'FULL' if self._held else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            stored = self._trimmed(self._inserted(self._forgotten(self._stored)))
            self._save_timeline()
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(error)
            return
        self._stored, self._saved_timeline = stored, self._timeline
        self._taken.clear()
        self._held.clear()
        self._lost = 0
        if self.trouble is not None:
            log.warning("the state folder can be written again; nothing is held in memory any more.")
            self.trouble = None

    def _forgotten(self, stored: Stored) -> Stored:
        """Delete what the broker took; numbers that are gone already are passed over."""
        for seq in self._taken:
            row = self._db.execute(f"DELETE FROM events WHERE seq = ? RETURNING {SIZE}", (seq,)).fetchone()
            if row is not None:
                stored = dataclasses.replace(stored, depth=stored.depth - 1, size=stored.size - row[0])
        return stored

    def _inserted(self, stored: Stored) -> Stored:
        """Write down what is held."""
        for recorded, body in self._held:
            cursor = self._db.execute("INSERT INTO events (recorded, body) VALUES (?, ?)", (recorded, body))
            depth, size = stored.depth + 1, stored.size + len(body.encode())
            stored = dataclasses.replace(stored, depth=depth, size=size, last_seq=cursor.lastrowid or 0)
        if self._folder is not None and stored.last_seq > self._ceiling:
            self._ceiling = raise_ceiling(self._folder, stored.last_seq)
        return stored

    def _trimmed(self, stored: Stored) -> Stored:
        """Drop and count what is too much or too old, the oldest first."""
        depth, size, last_gone = stored.depth, stored.size, 0
        horizon_s = self.now_s() - self._limits.max_age_s
        for seq, recorded, length in self._db.execute(f"SELECT seq, recorded, {SIZE} FROM events ORDER BY seq"):
            if depth <= self._limits.max_events and size <= self._limits.max_bytes and recorded >= horizon_s:
                break
            depth, size, last_gone = depth - 1, size - length, seq
        dropped = stored.dropped + stored.depth - depth + self._lost
        if last_gone:
            self._db.execute("DELETE FROM events WHERE seq <= ?", (last_gone,))
        if dropped != stored.dropped:
            self._db.execute("UPDATE counters SET value = ? WHERE name = 'dropped'", (dropped,))
        return dataclasses.replace(stored, depth=depth, size=size, dropped=dropped)

    def _save_timeline(self) -> None:
        if self._timeline != self._saved_timeline:
            self._db.execute("DELETE FROM timeline")
            self._db.execute("INSERT INTO timeline VALUES (?, ?)", (self._timeline.boot, self._timeline.offset_s))

    def _read(self, seq: int, recorded: float, body: str) -> Waiting | None:
        """A row as an event; one that a bad disk or another version left unreadable is dropped."""
        try:
            return Waiting(dataclasses.replace(EmotionEvent.from_json(body), seq=seq), recorded)
        except (ValueError, TypeError, KeyError):
            log.warning("event %d cannot be read any more and is dropped.", seq)
            self._taken.add(seq)
            self._lost += 1
            return None

    def _fail(self, error: sqlite3.Error) -> None:
        """Undo, and say why, once; a damaged file is begun anew."""
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        if self._folder is not None and is_damage(error):
            self._replace(self._folder, error)
            return
        trouble = sentence(self._where, error)
        if self.trouble is None:
            log.warning("%s Meanwhile events are held in memory, the newest %d at most.", trouble, HELD)
        self.trouble = trouble

    def _replace(self, folder: Path, error: sqlite3.Error) -> None:
        """Go on with an empty file; what the damaged one held is lost, and counted."""
        before = self._stored
        try:
            self._db.close()
            self._db = begin_anew(folder, error, before.last_seq)
            self._begin(anew=True)
        except (OSError, sqlite3.Error) as worse:
            raise StateError(sentence(self._where, worse)) from worse
        self._lost += before.depth - len(self._taken) + before.dropped
        self._taken.clear()
