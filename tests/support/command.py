"""The real `device` command, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DEVICE = Path(sys.executable).with_name("device")
DECLARED = ("--set", "device.purpose=test", "--set", "device.jurisdiction=elsewhere")  # `device run` requires these


def device(*args: object, cwd: Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with its state folder in `cwd`."""
    assert DEVICE.exists(), "emotion-edge is not installed in this environment: run `make test`"
    around = os.environ | {"STATE_DIRECTORY": str(cwd / "state")} | dict(environment or {})
    return subprocess.run([DEVICE, *map(str, args)], cwd=cwd, env=around, capture_output=True, text=True, timeout=120)


def refusal(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one sentence of a command that refused; checks its form."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    *_, sentence = done.stderr.strip().splitlines()
    assert done.stderr.count("\n") == 1, f"more than one sentence: {done.stderr}"
    assert sentence.startswith("device: ") and sentence.endswith((".", "?", ")")), sentence
    return sentence
