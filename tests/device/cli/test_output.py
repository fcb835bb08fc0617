"""Standard output that is full, closed or ASCII, and a user without a home directory: never a
traceback.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import device

PICTURE = Path(device.__file__).parent / "assets" / "astronaut.jpg"
LAWFUL = ("--set", "device.purpose=test", "--set", "device.jurisdiction=elsewhere")
EVENTS = ("run", *LAWFUL, "--fast", "--source", str(PICTURE))


def stderr_of(*arguments: str, redirect: str = "", module: str = "device", **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a command that a shell starts with its stdout redirected."""
    command = [sys.executable, "-m", module, *arguments]
    shell = ["sh", "-c", f'exec "$@" {redirect}', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, env=os.environ | environment, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [EVENTS, ("check-config", *LAWFUL), ("model", "--json")])
def test_a_full_disk_behind_standard_output_is_one_sentence(arguments: tuple[str, ...]) -> None:
    code, stderr = stderr_of(*arguments, redirect=">/dev/full")
    assert code == 1
    assert stderr.endswith("device: standard output cannot be written: No space left on device.\n")


def test_the_trainer_does_the_same() -> None:
    code, stderr = stderr_of("data", "--data", "toy", redirect=">/dev/full", module="trainer.cli")
    assert (code, stderr) == (1, "trainer: standard output cannot be written: No space left on device.\n")


def test_events_need_a_standard_output() -> None:
    code, stderr = stderr_of(*EVENTS, redirect=">&-")
    assert code == 1 and stderr.endswith("events cannot be printed; set device.mqtt.host.\n")


def test_an_ascii_terminal_gets_escapes() -> None:
    note = ("--set", "device.purpose_note=Größe")
    code, stderr = stderr_of("check-config", *LAWFUL, *note, PYTHONIOENCODING="ascii")
    assert (code, stderr) == (0, "")


def test_a_user_without_a_home_directory_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    from device.cli import main

    assert main(["model", "list"]) == 1
    assert capsys.readouterr().err.endswith("this user has no home directory; set device.state_dir.\n")
