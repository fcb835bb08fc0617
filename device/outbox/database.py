"""The file that the outbox lives in: opened, checked, and begun anew where it is damaged."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

from device.errors import StateError
from device.host.atomic_file import write_file

log = logging.getLogger(__name__)

FILE, CEILING, DAMAGED = "outbox.db", "outbox.seq", "outbox.db.damaged"
# AUTOINCREMENT: a number is not given again after its event was delivered and its row is gone.
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, recorded REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS timeline (boot TEXT NOT NULL, offset_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS reserve (room BLOB);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
"""
# EXCLUSIVE: two processes on one folder would send everything twice. 32: the log is used again before it outgrows the
# reserve.
PRAGMAS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=32;"
RESERVE_BYTES = 256 * 1024
STRIDE = 1000  # numbers between two notes of the ceiling


def open_database(folder: Path | None) -> tuple[sqlite3.Connection, bool]:
    """The database in a folder, which is made if it is absent; None opens one in memory.

    Returns:
        the database, and whether it was begun anew because the old file, now `outbox.db.damaged`, could not be read.

    Raises:
        StateError: the folder cannot be written, or another process uses it.
    """
    where = "memory" if folder is None else str(folder / FILE)
    try:
        try:
            return _open(folder, 0 if folder is None else read_ceiling(folder)), False
        except sqlite3.DatabaseError as error:
            if folder is None or not is_damage(error):
                raise
            return begin_anew(folder, error), True
    except (OSError, sqlite3.Error) as error:
        raise StateError(sentence(where, error)) from error


def begin_anew(folder: Path, error: sqlite3.Error, last_seq: int = 0) -> sqlite3.Connection:
    """Move the damaged file aside and open an empty one whose numbers are above all that the old one can have given.

    Args:
        folder: the state folder.
        error: how the damage showed itself.
        last_seq: the last number that is known to have been given.

    Raises:
        OSError, sqlite3.Error: the folder takes no new file.
    """
    floor = max(read_ceiling(folder), last_seq)
    (folder / FILE).replace(folder / DAMAGED)
    for rest in (f"{FILE}-wal", f"{FILE}-shm"):
        (folder / rest).unlink(missing_ok=True)
    log.warning(
        "%s: the outbox was damaged (%s); it is kept as %s, and an empty one begins at seq %d.",
        folder / FILE,
        error,
        DAMAGED,
        floor + 1,
    )
    return _open(folder, floor)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, rather than the disk full or absent."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it tells more than we ask
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def read_ceiling(folder: Path) -> int:
    """No number above this was ever given; 0 if nobody noted one."""
    try:
        return max(0, int((folder / CEILING).read_text(encoding="ascii")))
    except (OSError, ValueError):
        return 0


def raise_ceiling(folder: Path, seq: int) -> int:
    """Note, outside the database, that numbers somewhat above `seq` may have been given; returns how far."""
    ceiling = seq + STRIDE
    with contextlib.suppress(OSError):  # a full disk: the database is what counts, this is for the day it breaks
        write_file(folder / CEILING, f"{ceiling}\n".encode("ascii"))
    return ceiling


def sentence(where: str, error: Exception) -> str:
    """What is wrong with the state folder, and what to do."""
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
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _damage(verdict)
        _go_on_from(db, floor)
        _reserve(db)
    except BaseException:
        db.close()
        raise
    return db


def _damage(verdict: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _go_on_from(db: sqlite3.Connection, floor: int) -> None:
    """A file that never gave a number gives the first above `floor`."""
    if floor and db.execute("SELECT 1 FROM sqlite_sequence WHERE name = 'events'").fetchone() is None:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (floor,))


def _reserve(db: sqlite3.Connection) -> None:
    """Let file and log grow now. They need no more while the broker is there, so others may fill the disk."""
    with contextlib.suppress(sqlite3.OperationalError):  # full already: then what there is must do
        db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE_BYTES,))
        db.execute("DELETE FROM reserve")
        db.execute("PRAGMA wal_checkpoint").fetchall()
