"""A damaged, deleted or inconsistent outbox file."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.errors import StateError
from device.outbox.outbox import Outbox
from tests.device.outbox.helpers import event, open_outbox, seqs


def corrupt(file: Path, at: int, length: int) -> None:
    with file.open("r+b") as data:
        data.seek(at)
        data.write(b"\xde\xad" * (length // 2))


@pytest.mark.parametrize("at", [0, 100, 4096, 5000])
def test_a_damaged_file_is_renamed_and_no_number_is_used_twice(
    tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox(tmp_path)
    last = outbox.append(*(event(track) for track in range(1, 2101)))
    outbox.close()
    corrupt(tmp_path / "outbox.db", at, 20_000)
    outbox = open_outbox(tmp_path)
    seq = outbox.append(event())
    assert last is not None and seq is not None and last < seq <= last + 1001
    assert (outbox.damaged, outbox.depth) == (1, 1)
    assert (tmp_path / "outbox.db.damaged").exists()
    assert "the outbox was damaged (" in caplog.text and f"an empty one starts at seq {seq}." in caplog.text
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert (outbox.damaged, outbox.append(event())) == (0, seq + 1)


def corrupt_in_use(outbox: Outbox, file: Path) -> None:
    """Corrupt all but the first page, after emptying SQLite's cache and log."""
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    outbox._db.execute("PRAGMA cache_size = 0")
    outbox._db.execute("PRAGMA shrink_memory")
    corrupt(file, 4096, 400_000)


def test_damage_found_later_is_repaired_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(*(event(track) for track in range(1, 501)))
    outbox.acknowledge(range(1, 101))
    corrupt_in_use(outbox, tmp_path / "outbox.db")
    for track in range(501, 511):
        outbox.append(event(track))
    assert (outbox.damaged, outbox.dropped, outbox.trouble) == (1, 400, None)
    waiting = outbox.pending(100)
    assert [w.event.track for w in waiting] == list(range(501, 511))
    assert waiting[0].event.seq == 1501
    assert "the outbox was damaged (database disk image is malformed)" in caplog.text


def test_every_event_is_counted_when_the_file_is_damaged_twice(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_events=500)
    outbox.append(*(event() for _ in range(503)))
    outbox._db.execute("UPDATE events SET body = 'x' WHERE seq = 4")
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.acknowledge([5, 6])
    assert (seqs(outbox, limit=2), outbox.depth, outbox.dropped) == ([7], 497, 4)
    corrupt_in_use(outbox, tmp_path / "outbox.db")
    outbox._db.execute("PRAGMA query_only = OFF")
    outbox.append(event())
    assert (outbox.damaged, outbox.depth, outbox.dropped) == (1, 1, 504 - 2 - 1)
    assert seqs(outbox) == [1504]
    corrupt_in_use(outbox, tmp_path / "outbox.db")
    outbox.append(event())
    assert (outbox.damaged, outbox.depth, outbox.dropped) == (2, 1, 505 - 2 - 1)


def test_damage_without_the_ceiling_file_uses_no_number_twice_in_one_process(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(*(event() for _ in range(500)))
    (tmp_path / "outbox.seq").unlink()
    corrupt_in_use(outbox, tmp_path / "outbox.db")
    outbox.append(event())
    assert seqs(outbox) == [501]


def test_damage_where_no_new_file_can_be_created_gives_a_one_sentence_error(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(*(event() for _ in range(500)))
    (tmp_path / "outbox.db.damaged").mkdir()
    corrupt_in_use(outbox, tmp_path / "outbox.db")
    with pytest.raises(StateError, match=r"/outbox\.db: the state folder cannot be used: Is a directory; check"):
        outbox.append(event())


def test_a_deleted_file_does_not_start_again_at_one(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event())
    outbox.close()
    (tmp_path / "outbox.db").unlink()
    assert open_outbox(tmp_path).append(event()) == 1002


@pytest.mark.parametrize("content", ["", "not a number", "-5", "\xff"])
def test_an_invalid_ceiling_file_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "outbox.seq").write_text(content, encoding="latin-1")
    assert open_outbox(tmp_path).append(event()) == 1
