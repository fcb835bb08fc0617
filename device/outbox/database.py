"""The SQLite file of the outbox: open it, check it, and replace it if it is damaged."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

from device.errors import StateError
from device.host.atomic_file import write_file

log = logging.getLogger(__name__)

FILE, CEILING, DAMAGED = "outbox.db", "outbox.seq", "outbox.db.damaged"
# AUTOINCREMENT: a number is never used again, even after its event was delivered and deleted.
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, recorded REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS timeline (boot TEXT NOT NULL, offset_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS reserve (room BLOB);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
"""
# EXCLUSIVE: two processes on one folder would send every event twice.
# 32 pages: SQLite reuses the write-ahead log before it outgrows the reserve.
PRAGMAS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=32;"
RESERVE_BYTES = 256 * 1024
STRIDE = 1000  # the ceiling is written once for so many sequence numbers


def open_database(folder: Path | None) -> tuple[sqlite3.Connection, bool]:
    """Open the database in a folder, created if it does not exist; None opens one in memory.

    Returns:
        The connection, and whether the database is new because the old file was damaged. The
        damaged file is kept as `outbox.db.damaged`.

    Raises:
        StateError: The folder cannot be written, or another process uses it.
    """
    where = "memory" if folder is None else str(folder / FILE)
    try:
        try:
            return _open(folder, 0 if folder is None else read_ceiling(folder)), False
        except sqlite3.DatabaseError as error:
            if folder is None or not is_damage(error):
                raise
            return replace_damaged(folder, error), True
    except (OSError, sqlite3.Error) as error:
        raise StateError(error_sentence(where, error)) from error


def replace_damaged(folder: Path, error: sqlite3.Error, last_seq: int = 0) -> sqlite3.Connection:
    """Rename the damaged file and open an empty one that starts above all numbers ever used.

    Args:
        folder: The state folder.
        error: The error that revealed the damage.
        last_seq: The highest sequence number that is known to be used.

    Raises:
        OSError, sqlite3.Error: No new file can be created in the folder.
    """
    floor = max(read_ceiling(folder), last_seq)
    (folder / FILE).replace(folder / DAMAGED)
    for suffix in ("-wal", "-shm"):
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)
    log.warning(
        "%s: the outbox was damaged (%s); it is kept as %s, and an empty one starts at seq %d.",
        folder / FILE,
        error,
        DAMAGED,
        floor + 1,
    )
    return _open(folder, floor)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is corrupt, rather than the disk full or absent."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def read_ceiling(folder: Path) -> int:
    """Upper bound of all sequence numbers ever used; 0 if none was written."""
    try:
        return max(0, int((folder / CEILING).read_text(encoding="ascii")))
    except (OSError, ValueError):
        return 0


def raise_ceiling(folder: Path, seq: int) -> int:
    """Write, outside the database, an upper bound somewhat above `seq`; returns that bound."""
    ceiling = seq + STRIDE
    with contextlib.suppress(OSError):  # disk full: acceptable, it is only needed if the database is damaged
        write_file(folder / CEILING, f"{ceiling}\n".encode("ascii"))
    return ceiling


def error_sentence(where: str, error: Exception) -> str:
    """One sentence: what is wrong with the state folder, and what to do."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if "locked" in str(reason):
        return f"{where}: another process uses this state folder; stop it, or give this one its own device.state_dir."
    return f"{where}: the state folder cannot be used: {reason}; check device.state_dir, its permissions and the disk."


def _open(folder: Path | None, floor: int) -> sqlite3.Connection:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    name = ":memory:" if folder is None else folder / FILE
    db = sqlite3.connect(name, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        db.executescript(PRAGMAS + SCHEMA)
        (result,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise _damage_error(result)
        _start_above(db, floor)
        _reserve(db)
    except BaseException:
        db.close()
        raise
    return db


def _damage_error(message: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _start_above(db: sqlite3.Connection, floor: int) -> None:
    """Let a file that never used a sequence number start above `floor`."""
    if floor and db.execute("SELECT 1 FROM sqlite_sequence WHERE name = 'events'").fetchone() is None:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (floor,))


def _reserve(db: sqlite3.Connection) -> None:
    """Let the file and its log grow now, so that a disk filled by others does no harm later."""
    with contextlib.suppress(sqlite3.OperationalError):  # the disk is full already: go on without a reserve
        db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE_BYTES,))
        db.execute("DELETE FROM reserve")
        db.execute("PRAGMA wal_checkpoint").fetchall()
