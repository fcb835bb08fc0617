"""How a fleet is: listens to every board's availability, status and health, and judges each."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from device.config.schema import DeviceConfig
from device.errors import UsageError
from device.fleet.boards import NAME, Boards
from device.fleet.monitor import Listener
from device.mqtt.topics import checked


def fleet(
    config: DeviceConfig, seconds: float | None, expected: int | None, inventory: Path | None, as_json: bool
) -> int:
    """Listen, tell, and judge; returns the exit code: 0 if all boards are healthy, else 1.

    Args:
        config: the broker, the base topic, and what counts as unhealthy.
        seconds: for how long; None shows a live table until Ctrl-C.
        expected: how many boards there must be.
        inventory: file of the names of boards that must be there, one a line.
        as_json: print JSON instead of a table.

    Raises:
        UsageError: a live table is asked for where it cannot be shown, or the inventory cannot be used.
        BrokerError: there is no broker, or it refuses us.
    """
    boards = Boards(checked("base_topic", config.mqtt.base_topic), read_inventory(inventory) if inventory else ())
    if seconds is None:
        if as_json or not sys.stdout.isatty():
            raise UsageError("a live table needs a terminal; say --seconds S to listen for a while and print once.")
        from device.fleet.live_table import watch  # rich is an extra

        return watch(Listener(config, boards, expected))
    with Listener(config, boards, expected) as listener:
        listener.listen(seconds)
        found = listener.report()
    print(found.to_json() if as_json else found.table())
    return 0 if found.ok else 1


def read_inventory(path: Path) -> list[str]:
    """Names of boards, one a line; blank lines, and what follows a #, are passed over.

    Raises:
        UsageError: the file cannot be read, names nobody, or holds what is no board's name.
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
            raise UsageError(f"{path}, line {number}: {name!r} is no board's name: 1 to 64 letters, digits, - or _.")
        names += [name] if name else []
    if not names:
        raise UsageError(f"{path}: the inventory names no board; write one name a line.")
    return names
