"""Writes a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from device.errors import EmotionEdgeError


def write_private(path: Path, data: bytes) -> None:
    """Write or replace a file with mode 0600, whatever the umask and the old file's mode are.

    Raises:
        EmotionEdgeError: the folder does not exist or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EmotionEdgeError(f"{path}: cannot be written: {error.strerror}; choose another --out.") from error
