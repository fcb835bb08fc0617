"""A disk that fails or is full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from device.errors import StateError
from device.outbox.outbox import MAX_HELD
from tests.device.outbox.helpers import event, open_outbox, seqs


def test_while_the_disk_cannot_be_written_events_are_held_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event(1))
    outbox._db.execute("PRAGMA query_only = ON")  # as when the kernel mounts a failing card read-only
    assert outbox.append(event(2)) is None
    assert outbox.append(event(3)) is None
    outbox.acknowledge([1])
    assert (outbox.held, outbox.depth, seqs(outbox), outbox.last_seq) == (2, 2, [], 1)
    reason = "the state folder cannot be used: attempt to write a readonly database; check device.state_dir, "
    assert str(outbox.trouble).startswith(f"{tmp_path / 'outbox.db'}: {reason}")
    warning = f"{outbox.trouble} Until then events are held in memory, the newest 1000 at most."
    assert caplog.messages == [warning], "logged once"

    outbox._db.execute("PRAGMA query_only = OFF")
    assert seqs(outbox) == [2, 3]
    assert [w.event.track for w in outbox.pending(9)] == [2, 3]
    assert (outbox.held, outbox.depth, outbox.trouble) == (0, 2, None)
    assert caplog.messages[1:] == ["the state folder can be written again; no event is held in memory any more."]


def test_an_acknowledged_event_is_not_pending_while_the_disk_cannot_be_written(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event(), event(), event())
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.acknowledge([1, 99])
    assert (outbox.depth, seqs(outbox, limit=1), seqs(outbox)) == (2, [2], [2, 3])


def test_a_write_that_fails_midway_is_rolled_back(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox._db.execute(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON events WHEN (SELECT count(*) FROM events) = 1"
        " BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    assert outbox.append(event(1), event(2)) is None
    assert (outbox.held, seqs(outbox)) == (2, [])
    outbox._db.execute("DROP TRIGGER refuse")
    assert outbox.append(event(3)) == 3
    assert [w.event.track for w in outbox.pending(9)] == [1, 2, 3]


def test_a_file_that_cannot_be_read_does_not_stop_the_outbox(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event(), event())
    outbox._db.close()
    assert seqs(outbox) == []
    assert "closed database" in str(outbox.trouble)
    outbox.acknowledge([1])
    assert (outbox.append(event()), outbox.depth, outbox.held) == (None, 3, 1)


def test_the_newest_held_events_stay_and_the_others_are_counted_as_dropped(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox._db.execute("PRAGMA query_only = ON")
    for track in range(1, MAX_HELD + 6):
        outbox.append(event(track))
    assert (outbox.held, outbox.dropped) == (MAX_HELD, 5)
    outbox._db.execute("PRAGMA query_only = OFF")
    assert seqs(outbox, limit=MAX_HELD) == list(range(1, MAX_HELD + 1))
    assert outbox.pending(1)[0].event.track == 6
    outbox.close()
    assert open_outbox(tmp_path).dropped == 5


def test_events_that_cannot_be_written_on_close_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = open_outbox(tmp_path)
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.append(event())
    outbox.close()
    assert caplog.messages[1:] == [f"1 events could not be written and are lost. {outbox.trouble}"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MB, which only root can mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system takes root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> Path:
    """Use all the free space."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return ballast


def test_a_full_disk_does_not_stop_events_while_the_broker_is_connected(small_disk: Path) -> None:
    outbox = open_outbox(small_disk)
    fill(small_disk)
    for seq in range(1, 501):
        assert outbox.append(event()) == seq
        outbox.acknowledge([seq])
    assert (outbox.depth, outbox.trouble) == (0, None)


def test_a_full_disk_without_a_broker_loses_no_event_once_there_is_space(small_disk: Path) -> None:
    outbox = open_outbox(small_disk, max_events=100_000)
    ballast = fill(small_disk)
    for track in range(1, 3001):
        outbox.append(event(track))
        if outbox.held == 500:
            break
    on_disk = outbox.last_seq
    assert on_disk > 100, "the reserve holds some"
    assert "full" in str(outbox.trouble)
    ballast.unlink()
    assert [w.event.track for w in outbox.pending(5000)] == list(range(1, on_disk + 501))
    assert (outbox.trouble, outbox.held, outbox.dropped) == (None, 0, 0)
    outbox.close()
    assert open_outbox(small_disk).depth == on_disk + 500


def test_a_start_on_a_full_disk_keeps_waiting_events(small_disk: Path) -> None:
    outbox = open_outbox(small_disk)
    outbox.append(*(event(track) for track in range(1, 11)))
    outbox.close()
    ballast = fill(small_disk)
    outbox = open_outbox(small_disk)
    assert seqs(outbox) == list(range(1, 11))
    outbox.append(*(event(track) for track in range(11, 21)))
    assert outbox.depth == 20
    ballast.unlink()
    assert seqs(outbox) == list(range(1, 21))


def test_a_first_start_on_a_full_disk_gives_a_one_sentence_error(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StateError, match=r"cannot be used: .*; check device\.state_dir, .* and the disk\."):
        open_outbox(small_disk)
