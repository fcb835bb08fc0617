"""Whether the device is paused: kept on disk, so that it stays so after a crash or a power cut."""

from __future__ import annotations

from pathlib import Path

from device.host.atomic_file import remove_file, write_file

FILE = "paused"
NOTE = b"paused by a command; `resume`, or deleting this file, ends it\n"


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
            write_file(self._path, NOTE) if on else remove_file(self._path)
        except OSError:
            return False
        return True
