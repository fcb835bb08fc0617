"""The outbox: durable, in order, bounded, and numbered without a gap."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.errors import StateError
from device.outbox.database import RESERVE_BYTES
from tests.device.outbox.helpers import FakeClocks, event, open_outbox, seqs

WRITER = """
import sys
from pathlib import Path
from device.messages import EmotionEvent
from device.config import OutboxConfig
from device.outbox import Outbox

outbox = Outbox(Path(sys.argv[1]), OutboxConfig())
for number in range(100_000):
    event = EmotionEvent(type="update", track=1, ts=number, emotion="happy", confidence=1.0, scores={})
    print(outbox.append(event), flush=True)
"""


def test_events_are_returned_unchanged_and_in_order(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    written = [event(track) for track in (1, 2, 3)]
    assert outbox.append(written[0]) == 1
    assert outbox.append(*written[1:]) == 3
    back = [waiting.event for waiting in outbox.pending(10)]
    assert back == [dataclasses.replace(e, seq=seq) for seq, e in enumerate(written, 1)]
    assert seqs(outbox, limit=1, after=1) == [2]


def test_a_sequence_number_is_used_once_per_state_folder(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event(), event())
    outbox.acknowledge([1, 2])
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert (outbox.depth, outbox.size, outbox.last_seq) == (0, 0, 2)
    assert outbox.oldest_age_s is None
    assert outbox.append(event()) == 3


def test_a_full_outbox_drops_and_counts_the_oldest(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_events=3)
    for track in range(1, 6):
        outbox.append(event(track))
    assert seqs(outbox) == [3, 4, 5]
    assert (outbox.depth, outbox.dropped) == (3, 2)
    outbox.close()
    assert open_outbox(tmp_path, max_events=3).dropped == 2


def test_a_smaller_limit_applies_when_the_outbox_is_opened(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_events=5)
    outbox.append(*(event(track) for track in range(1, 6)))
    outbox.close()
    assert seqs(open_outbox(tmp_path, max_events=2)) == [4, 5]


def test_bytes_and_file_size_are_bounded(tmp_path: Path) -> None:
    one = len(event(100).to_json().encode())
    outbox = open_outbox(tmp_path, max_bytes=60 * one, max_events=1_000_000)
    for batch in range(20):
        outbox.append(*(event(track) for track in range(100 + 50 * batch, 150 + 50 * batch)))
    assert outbox.depth == len(seqs(outbox)) == outbox.size // one <= 60
    assert seqs(outbox)[-1] == 1000
    assert outbox.depth + outbox.dropped == 1000
    everything = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert everything < 2 * RESERVE_BYTES + 200_000, "dropped events do not stay in the file"
    size = outbox.size
    outbox.close()
    assert open_outbox(tmp_path).size == size, "counted again, it is the same"


def test_exactly_the_maximum_number_of_bytes_is_kept(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_bytes=10_000)
    written = dataclasses.replace(event(), emotion="")
    outbox.append(dataclasses.replace(written, emotion="x" * (10_000 - len(written.to_json()))))
    assert (outbox.size, outbox.depth) == (10_000, 1)


def test_size_counts_bytes_not_characters(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    written = dataclasses.replace(event(), emotion="glücklich 😀")
    outbox.append(written)
    assert outbox.size == len(written.to_json().encode()) > len(written.to_json())
    outbox.acknowledge([1])
    assert outbox.size == 0


def test_events_that_are_too_old_are_dropped_and_counted(tmp_path: Path) -> None:
    clocks = FakeClocks()
    outbox = open_outbox(tmp_path, clocks, max_age_s=60)
    outbox.append(event())
    clocks.advance(30)
    outbox.append(event())
    assert outbox.oldest_age_s == 30
    clocks.advance(30)
    assert seqs(outbox) == [1, 2], "just young enough"
    clocks.advance(1)
    assert seqs(outbox) == [2]
    assert (outbox.dropped, outbox.depth) == (1, 1)
    clocks.advance(339)
    assert seqs(outbox) == []
    assert (outbox.dropped, outbox.depth) == (2, 0)
    assert outbox.oldest_age_s is None


def test_acknowledging_an_unknown_number_changes_nothing(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, max_events=1)
    outbox.append(event(), event())
    outbox.acknowledge([1, 99])
    assert (outbox.depth, seqs(outbox)) == (1, [2])


def test_without_a_folder_the_outbox_is_in_memory() -> None:
    outbox = open_outbox(None)
    assert outbox.append(event()) == 1
    outbox._db.execute("PRAGMA query_only = ON")
    outbox.append(event())
    assert str(outbox.trouble).startswith("memory: ")


def test_an_append_is_synced_and_a_deletion_is_not(tmp_path: Path) -> None:
    """FULL is 2: the commit waits for the medium. NORMAL is 1: it saves wear of the SD card."""
    outbox = open_outbox(tmp_path)
    outbox.append(event())
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)
    outbox.acknowledge([1])
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (1,)


def test_reading_pending_events_writes_nothing(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event())
    rows_written = outbox._db.total_changes
    assert (seqs(outbox), seqs(outbox)) == ([1], [1])
    assert outbox._db.total_changes == rows_written


def test_a_writer_killed_midway_leaves_no_gap_and_loses_no_confirmed_event(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    confirmed = [int(writer.stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    confirmed += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    writer.wait()

    outbox = open_outbox(tmp_path)
    stored = seqs(outbox)
    assert stored == list(range(1, len(stored) + 1))
    assert len(confirmed) <= len(stored) <= len(confirmed) + 1  # one may be on disk, but not printed yet
    assert outbox.append(event()) == len(stored) + 1


def test_two_processes_on_one_folder_are_refused(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    with pytest.raises(StateError, match="another process uses this state folder"):
        open_outbox(tmp_path)
    first.close()
    open_outbox(tmp_path)


def test_an_unwritable_folder_gives_a_one_sentence_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match=r"cannot be used: Not a directory; check device\.state_dir"):
        open_outbox(tmp_path / "file" / "state")


def test_an_invalid_event_is_dropped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = open_outbox(tmp_path)
    outbox.append(event(), event(), event())
    outbox._db.execute('UPDATE events SET body = \'{"not": "an event"}\' WHERE seq = 1')
    outbox._db.execute("UPDATE events SET body = 'x' WHERE seq = 2")
    assert seqs(outbox) == [3]
    assert caplog.messages == [f"event {seq} in the outbox is not valid and is dropped." for seq in (1, 2)]
    assert (outbox.depth, outbox.dropped) == (1, 2)
    outbox.close()
    assert open_outbox(tmp_path).dropped == 2
