"""Secrets from files and from systemd: never from the config, which many may read."""

from __future__ import annotations

import os
from pathlib import Path

from device.bounded_file import read_bounded, user_path
from device.errors import ConfigError

MAX_BYTES = 64_000  # of a file with a user name or a password


def credential(name: str) -> str | None:
    """The path of one of systemd's credentials, if there is one of that name."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(given, name) if given else None
    return str(path) if path is not None and path.exists() else None


def first_line(setting: str, file: str | None, name: str) -> str | None:
    """First line of the file that a setting names, else of a credential; None if there is neither.

    Args:
        setting: its full key, for errors.
        file: its value.
        name: of systemd's credential.

    Raises:
        ConfigError: the file cannot be read.
    """
    named = file if file is not None else credential(name)
    if named is None:
        return None
    path = user_path(named)
    try:
        line = (read_bounded(path, MAX_BYTES).decode("utf-8-sig").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{setting}: {path} cannot be read: {reason}.") from error
    if "\0" in line:
        raise ConfigError(f"{setting}: {path} cannot be read: its first line contains a null byte.")
    return line
