"""`device fleet`: a live table of all boards, or one report after some seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from device.config.schema import DeviceConfig
from device.errors import UsageError
from device.fleet.boards import Boards
from device.fleet.inventory import read_inventory
from device.fleet.monitor import FleetMonitor
from device.mqtt.topics import checked
from device.standard_streams import is_terminal


def fleet(
    config: DeviceConfig, seconds: float | None, expected: int | None, inventory: Path | None, as_json: bool
) -> int:
    """Receive the messages of all boards and print a report.

    Args:
        config: the broker, the base topic and the limits of the health rules.
        seconds: how long to receive; None shows a live table until Ctrl-C.
        expected: how many boards there must be.
        inventory: file with the names of the boards that must be there, one a line.
        as_json: print JSON instead of a table.

    Returns:
        The exit code: 0 if all boards are there and healthy, else 1.

    Raises:
        UsageError: the live table cannot be shown here, or the inventory cannot be used.
        BrokerError: the broker cannot be reached, or it refuses the connection.
    """
    boards = Boards(checked("base_topic", config.mqtt.base_topic), read_inventory(inventory) if inventory else ())
    if seconds is None:
        if as_json or not is_terminal(sys.stdout):
            raise UsageError("the live table needs a terminal; use --seconds S to print one report after S seconds.")
        from device.fleet.live_table import watch  # rich is an extra

        return watch(FleetMonitor(config, boards, expected))
    with FleetMonitor(config, boards, expected) as monitor:
        monitor.receive(seconds)
        report = monitor.report()
    print(report.to_json() if as_json else report.table())
    return 0 if report.ok else 1
