"""Whether the device is paused: kept on disk, so that neither a crash nor a power cut makes it see again."""

from __future__ import annotations

import os
from pathlib import Path

FILE = "paused"


class Pause:
    """A switch that outlives the process.

    Args:
        folder: the state folder, which must be there; None keeps it in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        self.on = self._path is not None and self._path.exists()

    def set(self, on: bool) -> bool:
        """Turn it on or off; it is so at once. Returns whether it will still be so after a restart."""
        self.on = on
        if self._path is None:
            return False
        try:
            _write(self._path) if on else self._path.unlink(missing_ok=True)
            _settle(self._path.parent)
        except OSError:
            return False
        return True


def _write(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("paused by a command; `resume`, or deleting this file, ends it\n")
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """That a file came or went is on the medium too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
