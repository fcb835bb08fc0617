"""Whether the device is paused: kept on disk, so that neither a crash nor a power cut makes it see again."""

from __future__ import annotations

from pathlib import Path

from device.host.atomic_file import remove_file, write_file

FILE = "paused"
NOTE = b"paused by a command; `resume`, or deleting this file, ends it\n"


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
            write_file(self._path, NOTE) if on else remove_file(self._path)
        except OSError:
            return False
        return True
