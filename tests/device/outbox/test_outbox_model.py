"""A property test: the outbox against a simple model."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.outbox.outbox import Outbox
from tests.device.outbox.helpers import FakeClocks, event, open_outbox, seqs

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of commits are slow on a real disk


class OutboxMachine(RuleBasedStateMachine):
    """Any order of append, acknowledge, reopen, aging and disk errors matches two lists."""

    MAX_EVENTS, MAX_AGE_S = 5, 100.0

    def __init__(self) -> None:
        super().__init__()
        self.clocks = FakeClocks()
        self.disk: list[tuple[int, float]] = []  # seq, recorded
        self.held: list[float] = []
        self.last_seq = self.dropped = 0
        self.broken = False
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.outbox = self.open()

    def open(self) -> Outbox:
        return open_outbox(self.folder, self.clocks, max_events=self.MAX_EVENTS, max_age_s=self.MAX_AGE_S)

    def settle(self) -> None:
        """What every call does first, if the disk can be written."""
        if self.broken:
            return
        self.disk += [(self.last_seq + n, recorded) for n, recorded in enumerate(self.held, 1)]
        self.last_seq, self.held = self.last_seq + len(self.held), []
        young = [(seq, s) for seq, s in self.disk if s >= self.clocks.boot_s - self.MAX_AGE_S]
        kept = young[-self.MAX_EVENTS :]
        self.dropped, self.disk = self.dropped + len(self.disk) - len(kept), kept

    @rule(count=st.integers(1, 7))
    def append(self, count: int) -> None:
        self.held += [self.clocks.boot_s] * count
        self.settle()
        seq = self.outbox.append(*(event() for _ in range(count)))
        assert seq == (None if self.broken else self.last_seq)

    @rule(seconds=st.floats(0, 80))
    def wait(self, seconds: float) -> None:
        self.clocks.advance(seconds)

    @rule(seconds=st.floats(-1e6, 1e6))
    def set_the_clock(self, seconds: float) -> None:
        self.clocks.wall_s += seconds

    @precondition(lambda self: self.last_seq > 0)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(1, self.last_seq))
        self.outbox.acknowledge([seq])
        self.disk = [(s, t) for s, t in self.disk if s != seq]
        self.settle()

    @rule()
    def break_or_repair_the_disk(self) -> None:
        self.broken = not self.broken
        self.outbox._db.execute(f"PRAGMA query_only = {'ON' if self.broken else 'OFF'}")

    @precondition(lambda self: not self.broken)
    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.settle()
        self.outbox = self.open()

    @invariant()
    def matches_the_model(self) -> None:
        self.settle()
        assert seqs(self.outbox) == [seq for seq, _ in self.disk]
        assert (self.outbox.depth, self.outbox.held) == (len(self.disk) + len(self.held), len(self.held))
        assert (self.outbox.dropped, self.outbox.last_seq) == (self.dropped, self.last_seq)
        assert (self.outbox.size > 0) == (self.outbox.depth > self.outbox.held) or self.broken

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.folder)


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
