"""The tables of the outbox file: created, checked, and mended where another hand or version wrote.

STRICT tables take no value of a wrong type. A file of an older version, whose tables took any, is
converted; what cannot be converted is left out, counted as dropped, and logged.
"""

from __future__ import annotations

import logging
import re
import sqlite3

log = logging.getLogger(__name__)

MAX_SEQ = 2**53  # JSON's numbers are exact up to here
MAX_SECONDS = 1e11  # of a time; the year 5138
# AUTOINCREMENT: a number is never used again, even after its event was delivered and deleted.
TABLES = {
    "events": "seq INTEGER PRIMARY KEY AUTOINCREMENT, recorded REAL NOT NULL, body TEXT NOT NULL",
    "counters": "name TEXT PRIMARY KEY, value INTEGER NOT NULL",
    "timeline": "boot TEXT NOT NULL, offset_s REAL NOT NULL",
    "reserve": "room BLOB",
}
# What of an older table is taken over. The rest is dropped, or starts anew.
GOOD_ROWS = {
    "events": f"typeof(seq) = 'integer' AND seq BETWEEN 1 AND {MAX_SEQ} AND typeof(body) = 'text'",
    "counters": "name = 'dropped' AND typeof(value) = 'integer'",
    "timeline": "typeof(boot) = 'text' AND typeof(offset_s) IN ('real', 'integer')",
    "reserve": "0",
}
COLUMNS = {
    "events": f"seq, CASE WHEN typeof(recorded) IN ('real', 'integer') THEN recorded ELSE {MAX_SECONDS} * 2 END, body",
    "counters": "name, value",
    "timeline": "boot, offset_s",
    "reserve": "room",
}


def prepare_tables(db: sqlite3.Connection, now_s: float) -> None:
    """Create what is absent, convert tables of an older version, and mend values beyond bounds.

    Args:
        db: an open database without a transaction.
        now_s: UNIX seconds, for an event whose time of recording is none.

    Raises:
        sqlite3.DatabaseError: a table is not ours (SQLITE_CORRUPT), or the file cannot be written.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        for name in TABLES:
            _prepare_table(db, name)
        db.execute("INSERT OR IGNORE INTO counters VALUES ('dropped', 0)")
        _mend(db, now_s)
        db.execute("COMMIT")
    except BaseException as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if not isinstance(error, sqlite3.OperationalError) or not _are_there(db):
            raise
        log.warning("the outbox keeps its tables as they are, because its file cannot be written: %s.", error)


def _are_there(db: sqlite3.Connection) -> bool:
    """Whether all tables exist, so that events can be read and sent from a disk that is full."""
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return names >= TABLES.keys()


def damage_error(message: str) -> sqlite3.DatabaseError:
    """The error for a file whose content is not what it must be."""
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _prepare_table(db: sqlite3.Connection, name: str) -> None:
    wanted = f"CREATE TABLE {name} ({TABLES[name]}) STRICT"
    row = db.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    if row is None:
        db.execute(wanted)
    elif _plain(row[1]) == _plain(wanted):
        return
    elif row[0] == "table" and _plain(row[1]) == _plain(wanted.removesuffix(" STRICT")):
        _convert(db, name, wanted)
    else:
        raise damage_error(f"{name} is not the table of an outbox")


def _plain(sql: str | None) -> str:
    return re.sub(r"[\s\"]+", "", sql or "").lower()


def _convert(db: sqlite3.Connection, name: str, wanted: str) -> None:
    """Replace a table of an older version, with its rows and its last sequence number."""
    (before,) = db.execute(f"SELECT count(*) FROM {name}").fetchone()
    sequence = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
    db.execute(f"ALTER TABLE {name} RENAME TO older")
    db.execute(wanted)
    db.execute(f"INSERT INTO {name} SELECT {COLUMNS[name]} FROM older WHERE {GOOD_ROWS[name]}")
    (after,) = db.execute(f"SELECT count(*) FROM {name}").fetchone()
    db.execute("DROP TABLE older")
    if sequence is not None:
        db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, sequence[0]))
    if name == "events" and before != after:
        log.warning("%d events in the outbox were not valid and are dropped.", before - after)
        db.execute("INSERT OR IGNORE INTO counters VALUES ('dropped', 0)")
        db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (before - after,))


def _mend(db: sqlite3.Connection, now_s: float) -> None:
    """Set right what has the right type and an impossible value."""
    now_s = min(max(now_s, 0.0), MAX_SECONDS)
    changed = db.execute(
        "UPDATE events SET recorded = ? WHERE NOT recorded BETWEEN 0 AND ?", (now_s, MAX_SECONDS)
    ).rowcount
    changed += db.execute("UPDATE counters SET value = 0 WHERE NOT value BETWEEN 0 AND ?", (MAX_SEQ,)).rowcount
    changed += db.execute(
        "DELETE FROM timeline WHERE NOT offset_s BETWEEN ? AND ?", (-MAX_SECONDS, MAX_SECONDS)
    ).rowcount
    (beyond,) = db.execute("SELECT count(*) FROM events WHERE NOT seq BETWEEN 1 AND ?", (MAX_SEQ,)).fetchone()
    if beyond:
        raise damage_error("an event has a number that no event can have")
    if changed:
        log.warning("%d values in the outbox were not possible and are set anew.", changed)
