"""Atomic writes: after a power cut a file has its old content or its new one, never a mix."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
SUFFIX = ".tmp"  # of the temporary file beside the real one


def write_file(path: Path, data: bytes) -> None:
    """Replace a file's content in one step, and return when it is on the medium.

    The data goes to `NAME.tmp` in the same folder, which is then renamed. Only this user may read
    it, whatever the umask. The name is fixed, so that a crash leaves at most one such file: two
    processes that write the same path must hold a lock.

    Args:
        path: in a folder that exists.
        data: the whole content.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the old content stays.
    """
    temporary = path.with_name(path.name + SUFFIX)
    try:
        temporary.unlink(missing_ok=True)  # of a crash; it may have other permissions
        with open_private(temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def open_private(path: Path) -> BinaryIO:
    """Open a file for writing, emptied or created, which only this user may read.

    Raises:
        OSError: the folder cannot be written, or the file belongs to another user.
    """
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE)
    with suppress(PermissionError):  # another user's, who lets us write
        os.fchmod(number, PRIVATE_FILE)  # whatever the umask, and if it existed before
    return os.fdopen(number, "wb")


def make_folder(path: Path) -> None:
    """Create a folder that only this user may enter, and those above it; harmless if it exists.

    Raises:
        OSError: it cannot be created, or is no folder.
    """
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    path.chmod(PRIVATE_FOLDER)  # whatever the umask


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
