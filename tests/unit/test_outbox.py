"""The outbox: durable before it is offered, in order, bounded, numbered without a gap."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.config import load_config
from device.errors import StateError
from device.events import EmotionEvent
from device.outbox import Outbox, state_dir

FOREVER_S = 1e9

WRITER = """
import sys
from pathlib import Path
from device.events import EmotionEvent
from device.outbox import Outbox

outbox = Outbox(Path(sys.argv[1]), 1000, 1e9)
for number in range(100_000):
    event = EmotionEvent(type="update", track=1, ts=number, emotion="happy", confidence=1.0, scores={})
    print(outbox.append(event).seq, flush=True)
"""


def event(track: int = 1) -> EmotionEvent:
    return EmotionEvent(type="start", track=track, ts=1.0, emotion="happy", confidence=0.5, scores={"happy": 0.5})


def seqs(outbox: Outbox, limit: int = 1000, after: int = 0) -> list[int | None]:
    return [e.seq for e in outbox.pending(limit, after)]


def test_events_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 10, FOREVER_S)
    written = [outbox.append(event(track)) for track in (1, 2, 3)]
    assert [e.seq for e in written] == [1, 2, 3]
    assert outbox.pending(10) == written
    assert seqs(outbox, limit=1, after=1) == [2]


def test_a_number_is_given_once_in_the_life_of_the_folder(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 10, FOREVER_S)
    outbox.append(event())
    outbox.append(event())
    outbox.acknowledge([1, 2])
    outbox.close()
    outbox = Outbox(tmp_path, 10, FOREVER_S)
    assert (outbox.depth, outbox.last_seq) == (0, 2)
    assert outbox.oldest_age_s is None
    assert outbox.append(event()).seq == 3


def test_when_full_the_oldest_is_dropped_and_counted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 3, FOREVER_S)
    for track in range(1, 6):
        outbox.append(event(track))
    assert seqs(outbox) == [3, 4, 5]
    assert (outbox.depth, outbox.dropped) == (3, 2)
    outbox.close()
    assert Outbox(tmp_path, 3, FOREVER_S).dropped == 2


def test_a_smaller_limit_holds_from_the_start(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 5, FOREVER_S)
    for track in range(1, 6):
        outbox.append(event(track))
    outbox.close()
    assert seqs(Outbox(tmp_path, 2, FOREVER_S)) == [4, 5]


def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    now = [100.0]
    outbox = Outbox(tmp_path, 10, max_age_s=60, clock=lambda: now[0])
    outbox.append(event())
    now[0] = 130.0
    outbox.append(event())
    assert outbox.oldest_age_s == 30
    now[0] = 161.0
    assert seqs(outbox) == [2]
    assert (outbox.dropped, outbox.depth) == (1, 1)
    now[0] = 500.0
    assert seqs(outbox) == []
    assert (outbox.dropped, outbox.depth) == (2, 0)
    assert outbox.oldest_age_s is None


def test_acknowledging_what_is_gone_changes_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 1, FOREVER_S)
    outbox.append(event())
    outbox.append(event())
    outbox.acknowledge([1, 99])
    assert (outbox.depth, seqs(outbox)) == (1, [2])


def test_without_a_folder_it_lives_in_memory() -> None:
    assert Outbox(None, 10, FOREVER_S).append(event()).seq == 1


def test_a_writer_killed_midway_leaves_no_gap_and_loses_nothing_it_was_promised(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    promised = [int(writer.stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    promised += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    writer.wait()

    outbox = Outbox(tmp_path, 1000, FOREVER_S)
    stored = seqs(outbox)
    assert stored == list(range(1, len(stored) + 1))
    assert len(promised) <= len(stored) <= len(promised) + 1  # one may be on disk whose number was not yet said
    assert outbox.append(event()).seq == len(stored) + 1


def test_two_processes_on_one_folder_are_refused(tmp_path: Path) -> None:
    first = Outbox(tmp_path, 10, FOREVER_S)
    with pytest.raises(StateError, match="another process uses this state folder"):
        Outbox(tmp_path, 10, FOREVER_S)
    first.close()
    Outbox(tmp_path, 10, FOREVER_S)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"this is not a database, and it is long enough to look at" * 50)
    with pytest.raises(StateError, match=r"outbox\.db: the outbox is damaged .*move the file away"):
        Outbox(tmp_path, 10, FOREVER_S)


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match=r"cannot be used: Not a directory; check device\.state_dir"):
        Outbox(tmp_path / "file" / "state", 10, FOREVER_S)


def test_a_full_disk_is_one_sentence_and_keeps_what_was_written(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 1000, FOREVER_S)
    outbox.append(event())
    outbox._db.execute("PRAGMA max_page_count = 1")  # SQLite then fails just as it does on ENOSPC
    with pytest.raises(StateError, match="full"):
        for _ in range(1000):
            outbox.append(event())
    stored = seqs(outbox)
    assert stored == list(range(1, outbox.depth + 1))


def test_the_state_folder_is_the_settings_else_systemds_else_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pi")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/emotion-device:/elsewhere")
    assert state_dir(load_config(overrides=["device.state_dir=~/mine"])) == Path("/home/pi/mine")
    assert state_dir(load_config()) == Path("/var/lib/emotion-device")
    monkeypatch.delenv("STATE_DIRECTORY")
    assert state_dir(load_config()) == Path("/home/pi/.local/state/emotion-edge")


class OutboxMachine(RuleBasedStateMachine):
    """Whatever is appended, acknowledged, reopened or let grow old, the outbox agrees with a list."""

    LIMIT, MAX_AGE_S = 5, 100.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.model: list[tuple[int, float]] = []
        self.given = self.dropped = 0
        self.folder = Path(tempfile.mkdtemp())
        self.outbox = self.open()

    def open(self) -> Outbox:
        return Outbox(self.folder, self.LIMIT, self.MAX_AGE_S, clock=lambda: self.now)

    def expire(self) -> None:
        kept = [(s, t) for s, t in self.model if t >= self.now - self.MAX_AGE_S]
        self.dropped += len(self.model) - len(kept)
        self.model = kept

    @rule()
    def append(self) -> None:
        self.given += 1
        assert self.outbox.append(event()).seq == self.given
        self.model.append((self.given, self.now))
        self.expire()
        if len(self.model) > self.LIMIT:
            self.model.pop(0)
            self.dropped += 1

    @rule(seconds=st.floats(0, 80))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.given > 0)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(1, self.given))
        self.outbox.acknowledge([seq])
        self.model = [(s, t) for s, t in self.model if s != seq]

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = self.open()

    @invariant()
    def agrees(self) -> None:
        self.expire()
        assert seqs(self.outbox) == [s for s, _ in self.model]
        assert (self.outbox.depth, self.outbox.dropped) == (len(self.model), self.dropped)
        assert self.outbox.last_seq == self.given

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.folder)


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
