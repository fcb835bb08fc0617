"""The inventory: names of the boards that must be there."""

from __future__ import annotations

import re
from pathlib import Path

from device.errors import UsageError
from device.fleet.boards import NAME


def read_inventory(path: Path) -> list[str]:
    """Parse the names of boards, one a line; blank lines and text after a # are ignored.

    Raises:
        UsageError: the file cannot be read, contains no name, or contains an invalid one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{path}: the inventory cannot be read: {reason}.") from error
    names = []
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if name and not re.fullmatch(NAME, name):
            raise UsageError(
                f"{path}, line {number}: {name!r} is not a board's name; use 1 to 64 letters, digits, - or _."
            )
        names += [name] if name else []
    if not names:
        raise UsageError(f"{path}: the inventory names no board; write one name a line.")
    return names
