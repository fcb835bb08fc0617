"""The SQLite file of the history: open it, and start a new one if it is damaged."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from device.errors import StateError
from device.host.atomic_file import PRIVATE_FILE, make_folder

log = logging.getLogger(__name__)

VERSION = 1  # of the tables; a file of another version is replaced
MAX_LABELS = 16
LABEL_COLUMNS = tuple(f"label{number}" for number in range(MAX_LABELS))
VALENCE_COLUMNS = ("positive", "negative", "neutral")
ATTENTION_COLUMNS = ("measured", "facing", "eye_openness", "looking_away", "eyes_closed", "yawning")
COLUMNS = ("faces", *LABEL_COLUMNS, *VALENCE_COLUMNS, *ATTENTION_COLUMNS)
ALERT_COLUMNS = ("id", "ts", "track", "kind", "phase", "duration_s", "replayed")
# One row a second. REAL without NOT NULL: what a message does not tell is NULL.
TABLES = f"""
CREATE TABLE seconds (t INTEGER PRIMARY KEY, {", ".join(f"{name} REAL" for name in COLUMNS)}) STRICT;
CREATE TABLE labels (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE alerts (id TEXT PRIMARY KEY, ts REAL NOT NULL, track INTEGER NOT NULL, kind TEXT NOT NULL,
    phase TEXT NOT NULL, duration_s REAL NOT NULL, replayed INTEGER NOT NULL) STRICT;
PRAGMA user_version={VERSION};
"""
TABLE_NAMES = {"seconds", "labels", "alerts"}
# EXCLUSIVE: two processes on one file would write every second twice.
PRAGMAS = """
PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
PRAGMA wal_autocheckpoint=64; PRAGMA secure_delete=ON;
"""


def open_history_file(path: Path) -> sqlite3.Connection:
    """Open the file, created if it does not exist, with its tables; only this user may read it.

    A file that is damaged, or of another version, is deleted, and an empty one takes its place.

    Raises:
        StateError: the folder cannot be written, or another process uses the file.
    """
    try:
        make_folder(path.parent)
        try:
            return _open(path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return replace_history_file(path, error)
    except (OSError, sqlite3.Error) as error:
        reason = str((isinstance(error, OSError) and error.strerror) or error)
        if "locked" in reason:
            raise StateError(
                f"{path}: another dashboard writes this history; stop it, or start this one with --no-history."
            ) from error
        raise StateError(
            f"{path}: the history cannot be used: {reason}; check device.state_dir and the disk, or add --no-history."
        ) from error


def replace_history_file(path: Path, error: sqlite3.Error) -> sqlite3.Connection:
    """Delete a damaged file and open an empty one.

    Raises:
        OSError, sqlite3.Error: no new file can be created in the folder.
    """
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    log.warning("%s: the history was damaged (%s) and is deleted; an empty one starts.", path, error)
    return _open(path)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is corrupt, rather than the disk full or absent."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
    with suppress(PermissionError):  # another user's, who lets us write
        path.chmod(PRIVATE_FILE)
    db = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        db.executescript(PRAGMAS)
        (result,) = db.execute("PRAGMA quick_check(1)").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if result != "ok" or (tables and (version != VERSION or not tables >= TABLE_NAMES)):
            raise _damage(result if result != "ok" else "it is of another version")
        if not tables:
            db.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def _damage(message: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
