"""The board's temperature, throttling and memory; None where it has no such sensor."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from device.messages import Throttling

# Bits of the firmware's get_throttled; the same 16 places up: has happened since boot.
THROTTLING = {0: "under-voltage", 1: "frequency-capped", 2: "throttled", 3: "soft-temperature-limit"}
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
ROOT = Path("/")


def model(root: Path = ROOT) -> str | None:
    """The board's name, "Raspberry Pi 5 Model B Rev 1.0", from the device tree."""
    text = _text(root / "proc/device-tree/model")
    return text.rstrip("\0") if text else None


def temperature_c(root: Path = ROOT) -> float | None:
    """Processor temperature in °C; the first sensor if none is named after a processor."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    named = [zone for zone in zones if "cpu" in (_text(zone / "type") or "")]
    for zone in named + zones:
        text = _text(zone / "temp")
        if text is not None and text.lstrip("-").isdigit():
            return int(text) / 1000
    return None


def throttling(root: Path = ROOT) -> Throttling | None:
    """How the Raspberry Pi's firmware throttles now, and has since boot."""
    bits = _bits(_text(root / THROTTLED) or _vcgencmd())
    if bits is None:
        return None
    return Throttling(
        now=tuple(name for bit, name in THROTTLING.items() if bits >> bit & 1),
        since_boot=tuple(name for bit, name in THROTTLING.items() if bits >> (bit + 16) & 1),
    )


def held_back(root: Path = ROOT) -> bool:
    """Whether the Raspberry Pi's firmware throttles at this moment; False if it is unknown.

    Fast enough to call between two frames: it does not run `vcgencmd`.
    """
    bits = _bits(_text(root / THROTTLED))
    return bits is not None and any(bits >> bit & 1 for bit in THROTTLING)


def memory_mb(root: Path = ROOT) -> float | None:
    """Resident memory of this process, 10^6 bytes."""
    text = _text(root / "proc/self/statm")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if text else None


def _bits(text: str | None) -> int | None:
    try:
        return int(text, 16) if text else None
    except ValueError:
        return None


def _vcgencmd() -> str | None:
    """`throttled=0x50005` gives "0x50005".

    The command needs /dev/vcio, which the hardened service lacks without a drop-in.
    """
    try:
        done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("=")[2] or None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
