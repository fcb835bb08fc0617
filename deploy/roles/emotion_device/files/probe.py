"""Print what the role must know about a board before it changes it, as one JSON object."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path


def said(*command: str) -> str:
    """What a command prints; an empty string if it fails or does not exist."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def systemd() -> int:
    """The version of systemd, for example 252; 0 without it."""
    words = said("systemctl", "--version").split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def is_raspberry_pi() -> bool:
    """Whether the device tree names a Raspberry Pi."""
    model = Path("/proc/device-tree/model")
    return model.exists() and "Raspberry Pi" in model.read_text()


print(
    json.dumps(
        {
            "hostname": platform.node().partition(".")[0],
            "machine": platform.machine(),
            "bits": 64 if sys.maxsize > 2**32 else 32,
            "python": platform.python_version(),
            "systemd": systemd(),
            "free_mb": shutil.disk_usage("/opt").free // 10**6,
            "time_in_sync": said("timedatectl", "show", "--property=NTPSynchronized", "--value") == "yes",
            "raspberry_pi": is_raspberry_pi(),
        }
    )
)
