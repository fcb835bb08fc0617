"""Atomic writes: after a power cut a file has its old content or its new one, never a mix."""

from __future__ import annotations

import os
from pathlib import Path

SUFFIX = ".tmp"  # of the temporary file beside the real one


def write_file(path: Path, data: bytes) -> None:
    """Replace a file's content in one step, and return when it is on the medium.

    The data goes to `NAME.tmp` in the same folder, which is then renamed. Its permissions follow
    the umask. The name is fixed, so that a crash leaves at most one such file: two processes that
    write the same path must hold a lock.

    Args:
        path: in a folder that exists.
        data: the whole content.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the old content stays.
    """
    temporary = path.with_name(path.name + SUFFIX)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file if it exists, and return when that is on the medium.

    Raises:
        OSError: the folder cannot be written.
    """
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a renamed or removed file stays so after a power cut.

    Raises:
        OSError: the folder cannot be read, or the medium fails.
    """
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
