"""An atomic write leaves the old content or the new one, whatever happens midway."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from device.host.atomic_file import make_folder, open_private, remove_file, write_file

# Replaces one function by one that kills the process at its n-th call, before it does anything.
KILLED = """
import os, pathlib, signal, sys
from device.host.atomic_file import write_file
holder = pathlib.Path if sys.argv[2] == "replace" else os
real, left = getattr(holder, sys.argv[2]), [int(sys.argv[3])]
def kill(*args):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
setattr(holder, sys.argv[2], kill)
write_file(pathlib.Path(sys.argv[1]), b"new" * 100_000)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def test_the_content_is_replaced_and_no_other_file_remains(file: Path) -> None:
    write_file(file, b"new")
    assert file.read_bytes() == b"new" and list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
def test_only_this_user_may_read_a_file_and_enter_a_folder(tmp_path: Path, umask: int) -> None:
    existing = tmp_path / "existing"
    existing.write_bytes(b"")
    existing.chmod(0o666)
    before = os.umask(umask)
    try:
        make_folder(tmp_path / "above" / "state")
        make_folder(tmp_path / "above" / "state")
        write_file(tmp_path / "above" / "state" / "file", b"")
        open_private(existing).close()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"above": 0o700, "state": 0o700, "file": 0o600, "existing": 0o600}


@pytest.mark.parametrize(
    ("step", "nth", "content"), [("fsync", 1, b"old"), ("replace", 1, b"old"), ("fsync", 2, b"new" * 100_000)]
)
def test_a_process_killed_midway(file: Path, step: str, nth: int, content: bytes) -> None:
    command = [sys.executable, "-c", KILLED, str(file), step, str(nth)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert file.read_bytes() == content
    write_file(file, b"next")
    assert file.read_bytes() == b"next" and list(file.parent.iterdir()) == [file], "the next write clears up"


def test_a_full_disk_keeps_the_old_content(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(file, b"new")
    assert file.read_bytes() == b"old" and list(file.parent.iterdir()) == [file]


def test_removing_a_file_that_may_be_absent(file: Path) -> None:
    remove_file(file)
    remove_file(file)
    assert not file.exists()
