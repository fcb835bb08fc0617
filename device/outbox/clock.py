"""A monotonic timeline for the ages of events, not affected by changes of the wall clock.

A Pi has no battery-backed clock: it starts with an old time and jumps to the right one when the
network is up. An event recorded before the jump must not look days old after it. So within one
boot, ages follow the kernel's boot clock, in every process. The wall clock counts only from one
boot to the next, and never backwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux: every start counts as a boot
        return ""


def _since_boot_s() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Clocks:
    """The clocks of the machine: UNIX seconds, seconds since boot, and an id of the boot."""

    wall: Callable[[], float] = time.time
    since_boot: Callable[[], float] = _since_boot_s
    boot: Callable[[], str] = _boot_id


@dataclass(frozen=True)
class Timeline:
    """Seconds since the boot `boot`, plus `offset_s`: close to UNIX time, but without jumps."""

    boot: str
    offset_s: float

    def now_s(self, clocks: Clocks) -> float:
        """The current time on this timeline, in seconds."""
        return clocks.since_boot() + self.offset_s


def continue_timeline(saved: Timeline | None, latest_s: float, clocks: Clocks) -> Timeline:
    """Return the timeline that continues the saved one.

    Args:
        saved: the timeline of the last process; None for the first process.
        latest_s: time of the last record on the saved timeline; the result never starts before it.
        clocks: the clocks of this machine.
    """
    boot = clocks.boot()
    if saved is not None and boot and saved.boot == boot:
        return saved
    return Timeline(boot, max(clocks.wall(), latest_s) - clocks.since_boot())
