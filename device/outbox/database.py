"""The SQLite file of the outbox: open it, check it, and replace it if it is damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from pathlib import Path

from device.bounded_file import read_bounded
from device.errors import StateError
from device.host.atomic_file import PRIVATE_FILE, make_folder, write_file
from device.outbox.tables import MAX_SEQ, damage_error, prepare_tables

log = logging.getLogger(__name__)

FILE, CEILING, DAMAGED = "outbox.db", "outbox.seq", "outbox.db.damaged"
# EXCLUSIVE: two processes on one folder would send every event twice.
# 32 pages: SQLite reuses the write-ahead log before it outgrows the reserve.
PRAGMAS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=32;"
RESERVE_BYTES = 256 * 1024
STRIDE = 1000  # the ceiling is written once for so many sequence numbers
MAX_BATCH = 1000  # events that one transaction writes at most
MAX_CEILING_BYTES = 64  # of its file


def open_database(folder: Path | None) -> tuple[sqlite3.Connection, bool]:
    """Open the database in a folder, created if it does not exist; None opens one in memory.

    Returns:
        The connection, and whether the database is new because the old file was damaged or lost. A
        damaged file is kept as `outbox.db.damaged`.

    Raises:
        StateError: The folder cannot be written, or another process uses it.
    """
    where = "memory" if folder is None else str(folder / FILE)
    try:
        try:
            if folder is None:
                return _open(None, 0), False
            floor, lost = read_ceiling(folder), _is_lost(folder)
            db = _open(folder, floor)
            if lost:
                log.warning("%s", _lost_sentence(folder, floor))
            return db, lost
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
        ceiling = int(read_bounded(folder / CEILING, MAX_CEILING_BYTES).decode("ascii"))
    except (OSError, ValueError):
        return 0
    return ceiling if 0 <= ceiling <= MAX_SEQ else 0


def raise_ceiling(folder: Path, seq: int) -> int:
    """Write, outside the database, an upper bound somewhat above `seq`; returns that bound.

    The number may not be on disk yet: after a power cut the last one is at most `STRIDE` and a
    batch below the bound.
    """
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


def _is_lost(folder: Path) -> bool:
    """Whether numbers were given, but the file that gave them is gone or empty."""
    try:
        size = (folder / FILE).stat().st_size
    except FileNotFoundError:
        size = 0
    return size == 0 and (folder / CEILING).exists()


def _lost_sentence(folder: Path, floor: int) -> str:
    return (
        f"{folder / FILE}: the outbox is gone, and the events that waited in it are lost; "
        f"an empty one starts at seq {floor + 1}."
    )


def _open(folder: Path | None, floor: int) -> sqlite3.Connection:
    name = ":memory:" if folder is None else _private_file(folder)
    db = sqlite3.connect(name, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        db.executescript(PRAGMAS)
        (result,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise damage_error(result)
        prepare_tables(db, time.time())
        _start_above(db, floor)
        _reserve(db)
    except BaseException:
        db.close()
        raise
    return db


def _private_file(folder: Path) -> Path:
    """The database's file, created if need be, which only this user may read, whatever the umask.

    SQLite gives its log the same permissions.
    """
    make_folder(folder)
    path = folder / FILE
    # Only if it is absent: closing a file would end the locks that SQLite holds on it here.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE))
    with contextlib.suppress(PermissionError):  # another user's, who lets us write
        path.chmod(PRIVATE_FILE)
    return path


def _start_above(db: sqlite3.Connection, floor: int) -> None:
    """Give no number twice, whatever the file says was the last one.

    The last number is also in `counters`, and outside, as a bound (`raise_ceiling`). A file that is
    further below the bound than it can be by itself is new, was changed, or is an older copy.
    """
    rows = db.execute("SELECT typeof(seq), seq FROM sqlite_sequence WHERE name = 'events'").fetchall()
    (used,) = db.execute("SELECT ifnull(max(seq), 0) FROM events").fetchone()
    (counted,) = db.execute("SELECT ifnull(max(value), 0) FROM counters WHERE name = 'last_seq'").fetchone()
    given = rows[0][1] if len(rows) == 1 and rows[0][0] == "integer" and 0 <= rows[0][1] <= MAX_SEQ else 0
    last = max(given, used, counted)
    if last < floor - STRIDE - MAX_BATCH or (floor and not last):
        last = floor
    if last != given or (last and len(rows) != 1):
        if max(given, used, counted):
            log.warning("the outbox's last number was lowered to %d; it goes on above %d.", given, last)
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (last,))


def _reserve(db: sqlite3.Connection) -> None:
    """Let the file and its log grow now, so that a disk filled by others does no harm later."""
    with contextlib.suppress(sqlite3.OperationalError):  # the disk is full already: go on without a reserve
        db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE_BYTES,))
        db.execute("DELETE FROM reserve")
        db.execute("PRAGMA wal_checkpoint").fetchall()
