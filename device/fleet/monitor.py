"""Receives the messages of every board, and reports on them."""

from __future__ import annotations

import time

from device.config.schema import DeviceConfig
from device.fleet.boards import Boards
from device.fleet.report import Report, make_report
from device.mqtt.subscriber import Subscriber


class FleetMonitor:
    """Receives the messages of all boards. A context manager that connects and disconnects.

    Args:
        config: the broker, the base topic and the limits of the health rules.
        boards: is updated with every message.
        expected: how many boards there must be.

    Raises:
        BrokerError: the broker cannot be reached, or it refuses the connection.
        UsageError: device.mqtt.host is not set, or the connection's settings are invalid.
    """

    def __init__(self, config: DeviceConfig, boards: Boards, expected: int | None) -> None:
        self._limits = config.fleet
        self._boards = boards
        self._expected = expected
        self._subscriber = Subscriber(config.mqtt, "fleet", boards.filters(), boards.handle_message)

    def __enter__(self) -> FleetMonitor:
        self._subscriber.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._subscriber.__exit__(*exception)

    def receive(self, seconds: float) -> None:
        """Handle messages for this long; reconnect meanwhile if the connection is lost."""
        self._subscriber.receive(seconds)

    def report(self) -> Report:
        """The state of the fleet now."""
        subscriber = self._subscriber
        return make_report(
            self._boards, self._limits, time.monotonic(), subscriber.since_s, self._expected, subscriber.trouble
        )
