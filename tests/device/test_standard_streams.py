"""Standard output that is full, closed or takes ASCII only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARED = "--set device.purpose=test --set device.jurisdiction=elsewhere"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    around = os.environ | {"PYTHON": sys.executable, "PYTHONIOENCODING": "ascii"}
    return subprocess.run(["bash", "-c", command], cwd=ROOT, env=around, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [f"device check-config {DECLARED}", "trainer.cli data --data toy"])
def test_output_that_cannot_be_written_is_one_sentence(command: str) -> None:
    done = shell(f'"$PYTHON" -m {command} >/dev/full')
    assert done.returncode == 1
    assert "standard output cannot be written: No space" in done.stderr and done.stderr.count("\n") == 1


def test_events_need_a_standard_output_and_other_commands_do_not() -> None:
    """A supervisor may close descriptor 1; with a broker the device does not need it."""
    done = shell(f'"$PYTHON" -m device run {DECLARED} --fast --source device/assets/astronaut.jpg >&-')
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.endswith("standard output is closed, so the events cannot be printed; set device.mqtt.host.\n")
    done = shell(f'"$PYTHON" -m device check-config {DECLARED} >&-')
    assert (done.returncode, done.stderr) == (0, "")


def test_characters_that_the_terminal_lacks_are_escaped() -> None:
    done = shell(f'"$PYTHON" -m device check-config {DECLARED} --set device.camera.source=Süd.mp4')
    assert done.returncode == 0, done.stderr
    assert "S\\xfcd.mp4" in done.stdout


def test_a_table_needs_a_standard_output_or_a_file(tmp_path: Path) -> None:
    command = f'"$PYTHON" -m device analyze device/assets/astronaut.jpg {DECLARED}'
    done = shell(f"{command} >&-")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "standard output is closed, so the rows cannot be printed; write them to a file with --csv" in done.stderr
    done = shell(f"{command} --csv {tmp_path}/faces.csv >&-")
    assert done.returncode == 0 and "happy" in (tmp_path / "faces.csv").read_text(), done.stderr


HOLES = """
import os
from device.standard_streams import guarded
with guarded(), open(os.sys.argv[1], "w") as file:
    print(file.fileno(), file=file)
"""


def test_a_file_never_gets_the_number_of_a_closed_standard_stream(tmp_path: Path) -> None:
    """Else what a library writes to its standard error goes into the outbox."""
    shell(f"\"$PYTHON\" -c '{HOLES}' {tmp_path}/file <&- >&- 2>&-")
    assert int((tmp_path / "file").read_text()) > 2
