"""Reads a file that others may have written: never a device, a pipe, or more than it should be."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file.

    Args:
        path: the file.
        max_bytes: a larger file is refused, and not read.

    Raises:
        OSError: it cannot be opened, is no regular file, or is too large; `strerror` says which.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would block
    except ValueError as error:  # a null byte, or a character that no file name can have
        raise OSError(errno.EINVAL, "this is not the name of a file", str(path)) from error
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", str(path))
    return data


def user_path(text: str) -> Path:
    """The path with `~` replaced by the home folder; unchanged where there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
