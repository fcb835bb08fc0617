"""Whether the device is paused: kept on disk, so that it stays so after a crash or a power cut."""

from __future__ import annotations

import os
from pathlib import Path

FILE = "paused"


class Pause:
    """A switch that outlives the process.

    Args:
        folder: the state folder, which must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.on = self._path.exists()

    def set(self, on: bool) -> bool:
        """Turn it on or off. Returns whether the disk has it, so that it survives a restart."""
        self.on = on
        try:
            _write(self._path) if on else self._path.unlink(missing_ok=True)
            _sync_folder(self._path.parent)
        except OSError:
            return False
        return True


def _write(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("paused by a command; `resume`, or deleting this file, ends it\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make sure that the folder's entry is on the medium too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
