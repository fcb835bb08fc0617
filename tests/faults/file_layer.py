"""A file layer in which every n-th write, flush or rename fails, for processes to start with."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("failing_files.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (Debian's package gcc)")
WRITES, FLUSHES, RENAMES = 1, 2, 4


class FileLayer:
    """Compiled into `work`; processes started with `environment` have it for files in `folder`."""

    def __init__(self, work: Path, folder: Path) -> None:
        assert COMPILER is not None
        library, control = work / "failing_files.so", work / "control"
        command = [COMPILER, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        control.write_bytes(bytes(32))
        self.environment = {"FAULT_FOLDER": str(folder), "FAULT_CONTROL": str(control), "LD_PRELOAD": str(library)}
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    def fail_every(self, nth: int, kinds: int = WRITES | FLUSHES | RENAMES) -> None:
        """From now on every nth call of these kinds fails; 0: none."""
        struct.pack_into("<q", self._map, 24, kinds)
        struct.pack_into("<q", self._map, 0, nth)

    @property
    def failed(self) -> int:
        """How many calls have failed."""
        return int(struct.unpack_from("<q", self._map, 16)[0])
