"""State that was lost, lowered, or written by another hand or an older version."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from device.outbox.tables import TABLES
from tests.device.outbox.helpers import event, open_outbox, seqs
from tests.device.outbox.test_disk import fill, small_disk

__all__ = ["small_disk"]  # a fixture


def change(folder: Path, *statements: str) -> None:
    """Write into the file as another program would."""
    with closing(sqlite3.connect(folder / "outbox.db")) as db, db:
        for statement in statements:
            db.execute(statement)


def used(folder: Path, events: int = 10, waiting: int = 3) -> Path:
    """A state folder where so many events were recorded and the last ones wait."""
    with closing(open_outbox(folder)) as outbox:
        outbox.append(*(event(track) for track in range(1, events + 1)))
        outbox.acknowledge(range(1, events - waiting + 1))
    return folder


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_lost_file_is_counted_and_logged(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    used(tmp_path)
    file = tmp_path / "outbox.db"
    file.unlink() if how == "missing" else file.write_bytes(b"")
    outbox = open_outbox(tmp_path)
    assert (outbox.damaged, outbox.append(event())) == (1, 1011)
    assert caplog.messages == [
        f"{file}: the outbox is gone, and the events that waited in it are lost; an empty one starts at seq 1011."
    ]
    outbox.close()
    assert open_outbox(tmp_path).damaged == 0


def test_a_first_start_is_no_loss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert open_outbox(tmp_path).damaged == 0 and caplog.messages == []


LOWERED = {
    "lower": "UPDATE sqlite_sequence SET seq = 2",
    "gone": "DELETE FROM sqlite_sequence",
    "none": "UPDATE sqlite_sequence SET seq = 0",
    "negative": "UPDATE sqlite_sequence SET seq = -5",
    "text": "UPDATE sqlite_sequence SET seq = 'two'",
    "null": "UPDATE sqlite_sequence SET seq = NULL",
    "huge": "UPDATE sqlite_sequence SET seq = 9223372036854775807",
    "twice": "INSERT INTO sqlite_sequence VALUES ('events', 1)",
}


@pytest.mark.parametrize("waiting", [0, 3])
@pytest.mark.parametrize("how", LOWERED)
def test_a_changed_sequence_gives_no_number_twice(
    tmp_path: Path, how: str, waiting: int, caplog: pytest.LogCaptureFixture
) -> None:
    change(used(tmp_path, waiting=waiting), LOWERED[how])
    outbox = open_outbox(tmp_path)
    assert outbox.append(event()) == 11, "and none is left out"
    assert len(caplog.messages) == 1 and "last number was lowered" in caplog.text


def test_an_older_copy_of_the_file_gives_no_number_twice(tmp_path: Path) -> None:
    used(tmp_path)
    older = (tmp_path / "outbox.db").read_bytes()
    with closing(open_outbox(tmp_path)) as outbox:
        for _ in range(5):
            outbox.append(*(event() for _ in range(900)))
            outbox.acknowledge(range(outbox.last_seq + 1))
        last = outbox.last_seq
    (tmp_path / "outbox.db").write_bytes(older)
    seq = open_outbox(tmp_path).append(event())
    assert seq is not None and seq > last


def test_wrong_types_cannot_be_written(tmp_path: Path) -> None:
    used(tmp_path)
    for statement in (
        "UPDATE events SET recorded = 'soon'",
        "UPDATE events SET body = x'00'",
        "UPDATE counters SET value = 'many'",
        "INSERT INTO timeline VALUES ('a', 'b')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
            change(tmp_path, statement)


def older_version(folder: Path) -> None:
    """The file as before STRICT tables."""
    used(folder)
    for name, columns in TABLES.items():
        change(
            folder,
            f"ALTER TABLE {name} RENAME TO kept",
            f"CREATE TABLE {name} ({columns})",
            f"INSERT INTO {name} SELECT * FROM kept",
            "DROP TABLE kept",
        )
    change(folder, "DELETE FROM counters WHERE name = 'last_seq'")


def test_a_file_of_an_older_version_keeps_its_events_and_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older_version(tmp_path)
    outbox = open_outbox(tmp_path)
    assert (seqs(outbox), outbox.dropped, outbox.damaged) == ([8, 9, 10], 0, 0)
    assert outbox.append(event()) == 11 and caplog.messages == []


def test_a_file_of_an_older_version_on_a_full_disk_stays_as_it_is(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older_version(small_disk)
    ballast = fill(small_disk)
    with closing(open_outbox(small_disk)) as outbox:
        assert seqs(outbox) == [8, 9, 10]
    assert "keeps its tables as they are, because its file cannot be written" in caplog.text
    ballast.unlink()
    with closing(open_outbox(small_disk)) as outbox:
        assert (seqs(outbox), outbox.append(event())) == ([8, 9, 10], 11)


WRONG = {
    "recorded": ("UPDATE events SET recorded = 'soon'", [8, 9, 10]),
    "infinite": ("UPDATE events SET recorded = 9e999 WHERE seq = 8", [8, 9, 10]),
    "null-like": ("UPDATE events SET recorded = x'00' WHERE seq = 9", [8, 9, 10]),
    "body": ("UPDATE events SET body = x'c0ff' WHERE seq = 9", [8, 10]),
    "counters": ("UPDATE counters SET value = 'many'", [8, 9, 10]),
    "more counters": ("INSERT INTO counters VALUES (x'00', 'x')", [8, 9, 10]),
    "timeline": ("UPDATE timeline SET offset_s = 'x', boot = 5", [8, 9, 10]),
    "far timeline": ("UPDATE timeline SET offset_s = 1e300", [8, 9, 10]),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_types_in_a_file_of_an_older_version_heal(tmp_path: Path, what: str) -> None:
    older_version(tmp_path)
    statement, left = WRONG[what]
    change(tmp_path, statement)
    with closing(open_outbox(tmp_path)) as outbox:
        assert (seqs(outbox), outbox.append(event())) == (left, 11)
        assert outbox.dropped == 3 - len(left) and (outbox.oldest_age_s or 0) >= 0
        assert outbox.trouble is None
    assert seqs(open_outbox(tmp_path)) == [*left, 11]


GOOD = json.loads(event().to_json())
BODIES: dict[str, Any] = {
    "a list": [],
    "null": None,
    "text": "x",
    "nested": "[" * 3000,
    "a label that is a number": GOOD | {"emotion": 5},
    "scores that are text": GOOD | {"scores": "x"},
    "a score that is text": GOOD | {"scores": {"happy": "x"}},
    "a score beyond one": GOOD | {"scores": {"happy": 1e9}},
    "confidence": GOOD | {"confidence": "high"},
    "no number": GOOD | {"ts": float("nan")},
    "a huge number": GOOD | {"ts": 10**400},
    "a box of text": GOOD | {"box": "abcd"},
    "a box of two": GOOD | {"box": [1, 2]},
    "another type": GOOD | {"type": "explode"},
    "a track that is none": GOOD | {"track": True},
    "a key more": GOOD | {"more": 1},
    "a key less": {key: value for key, value in GOOD.items() if key != "emotion"},
    "replayed": GOOD | {"replayed": "yes"},
    "a long label": GOOD | {"emotion": "x" * 1_000_000},
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_cannot_be_published_is_dropped_with_a_sentence(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    used(tmp_path)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db, db:
        body = BODIES[what] if what == "nested" else json.dumps(BODIES[what])
        db.execute("UPDATE events SET body = ? WHERE seq = 9", (body,))
    outbox = open_outbox(tmp_path)
    assert (seqs(outbox), outbox.dropped) == ([8, 10], 1)
    assert caplog.messages == ["event 9 in the outbox is not valid and is dropped."]


SCHEMAS = {
    "no column": "ALTER TABLE events DROP COLUMN recorded",
    "a column more": "ALTER TABLE events ADD COLUMN more TEXT",
    "a view": "DROP TABLE timeline; CREATE VIEW timeline AS SELECT 1 AS boot, 2 AS offset_s",
    "another table": "DROP TABLE counters; CREATE TABLE counters (a, b, c)",
    "numbers beyond": "UPDATE events SET seq = 9223372036854775807 WHERE seq = 10",
}


@pytest.mark.parametrize("what", SCHEMAS)
def test_tables_that_are_not_ours_are_damage(tmp_path: Path, what: str) -> None:
    change(used(tmp_path), *SCHEMAS[what].split("; "))
    outbox = open_outbox(tmp_path)
    assert (outbox.damaged, outbox.depth) == (1, 0)
    assert (tmp_path / "outbox.db.damaged").exists()
    assert (outbox.append(event()) or 0) > 10


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 60, str(2**63), "1e9", "٣", "5\x00", " \n"])
def test_a_ceiling_that_is_no_number_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "outbox.seq").write_text(text, encoding="utf-8")
    assert open_outbox(tmp_path).append(event()) == 1


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_nobody_else_may_read_the_state(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        outbox = open_outbox(tmp_path / "above" / "state")
        outbox.append(event())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    finally:
        os.umask(before)
    assert {modes.pop(folder) for folder in ("above", "state")} == {0o700}
    assert modes.keys() >= {"outbox.db", "outbox.db-wal", "outbox.seq"} and set(modes.values()) == {0o600}


def test_a_file_of_an_older_version_that_others_may_read_is_closed(tmp_path: Path) -> None:
    used(tmp_path)
    (tmp_path / "outbox.db").chmod(0o644)
    open_outbox(tmp_path)
    assert stat.S_IMODE((tmp_path / "outbox.db").stat().st_mode) == 0o600
