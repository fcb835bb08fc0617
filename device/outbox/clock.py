"""Time to measure ages with: it only passes, whatever is done to the clock on the wall.

A Pi has no clock of its own: it starts with an old time and jumps to the right one when the network is there. An event
recorded before the jump is not days old after it. So within one boot ages follow the kernel's boot clock, whichever
process asks; the wall clock counts only from one boot to the next, and never backwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # another system than Linux: every start counts as a boot
        return ""


def _since_boot_s() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Clocks:
    """What the machine knows of time: UNIX seconds, seconds since its boot, and which boot this is."""

    wall: Callable[[], float] = time.time
    since_boot: Callable[[], float] = _since_boot_s
    boot: Callable[[], str] = _boot_id


@dataclass(frozen=True)
class Timeline:
    """Seconds since the boot `boot`, plus `offset_s`; near to UNIX time, and free of its jumps."""

    boot: str
    offset_s: float

    def now_s(self, clocks: Clocks) -> float:
        """The time on this line."""
        return clocks.since_boot() + self.offset_s


def continued(saved: Timeline | None, latest_s: float, clocks: Clocks) -> Timeline:
    """The line that goes on where the saved one stopped.

    Args:
        saved: what the last process used; None for the first.
        latest_s: when something was recorded last, on the saved line; no time before it is given.
        clocks: this machine's.
    """
    boot = clocks.boot()
    if saved is not None and boot and saved.boot == boot:
        return saved
    return Timeline(boot, max(clocks.wall(), latest_s) - clocks.since_boot())
