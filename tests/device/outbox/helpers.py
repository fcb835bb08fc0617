"""Outboxes, events and fake clocks for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

from device.config.schema import OutboxConfig, load_config
from device.messages import EmotionEvent
from device.outbox.clock import Clocks
from device.outbox.outbox import Outbox


class FakeClocks:
    """Clocks that a test sets: the wall clock, the kernel's boot clock, and the id of the boot."""

    def __init__(self, wall_s: float = 1000.0) -> None:
        self.wall_s, self.boot_s, self.boot = wall_s, 10.0, "first"

    def advance(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds

    def reboot(self, wall_s: float) -> None:
        self.boot += "x"
        self.wall_s, self.boot_s = wall_s, 1.0

    @property
    def as_clocks(self) -> Clocks:
        return Clocks(lambda: self.wall_s, lambda: self.boot_s, lambda: self.boot)


def event(track: int = 1) -> EmotionEvent:
    return EmotionEvent(type="start", track=track, ts=1.0, emotion="happy", confidence=0.5, scores={"happy": 0.5})


def seqs(outbox: Outbox, limit: int = 1000, after: int = 0) -> list[int | None]:
    return [waiting.event.seq for waiting in outbox.pending(limit, after)]


def open_outbox(folder: Path | None, clocks: FakeClocks | None = None, **limits: float) -> Outbox:
    return Outbox(folder, load_limits(limits), clocks.as_clocks if clocks else None)


def load_limits(limits: dict[str, float]) -> OutboxConfig:
    return load_config(overrides=[f"device.outbox.{key}={value}" for key, value in limits.items()]).outbox
