"""Subscribes to the messages of every board and keeps the connection to the broker."""

from __future__ import annotations

import logging
import queue
import time
import uuid
from contextlib import suppress

from device.config.schema import DeviceConfig
from device.errors import UsageError
from device.fleet.boards import Boards
from device.fleet.report import Report, make_report
from device.mqtt.client import ReconnectingClient
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused

log = logging.getLogger(__name__)


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
        if config.mqtt.host is None:
            raise UsageError("device.mqtt.host is not set; name the broker: --set device.mqtt.host=broker.local.")
        self._limits = config.fleet
        self._boards = boards
        self._expected = expected
        self._inbox: queue.SimpleQueue[Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost] = (
            queue.SimpleQueue()
        )
        self._client = ReconnectingClient(
            config.mqtt, f"emotion-edge-fleet-{uuid.uuid4().hex[:12]}", None, self._inbox.put
        )
        self._since_s = 0.0
        self._refused: str | None = None

    def __enter__(self) -> FleetMonitor:
        self._client.open()
        self._subscribe()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def receive(self, seconds: float) -> None:
        """Handle messages for this long; reconnect meanwhile if the connection is lost."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if not self._client.up:
                left_s = min(left_s, max(0.01, self._client.due_s - time.monotonic()))
            with suppress(queue.Empty):
                self._handle(self._inbox.get(timeout=left_s))
            if self._client.reopen():
                self._subscribe()

    def report(self) -> Report:
        """The state of the fleet now."""
        trouble = self._refused if self._client.up else "the connection to the broker is lost"
        return make_report(self._boards, self._limits, time.monotonic(), self._since_s, self._expected, trouble)

    def _subscribe(self) -> None:
        """Subscribe with QoS 0.

        Mosquitto queues at most 1,000 messages of QoS 1 for a client, and a large fleet has more
        retained messages than that.
        """
        self._refused = None
        self._since_s = time.monotonic()
        self._client.subscribe(self._boards.filters(), qos=0)

    def _handle(self, item: Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost) -> None:
        if not self._client.is_current(item.connection):
            return
        match item:
            case MessageReceived(_, topic, payload, retained):
                self._boards.handle_message(topic, payload, retained, time.monotonic())
            case SubscribeRefused(_, topic, reason):
                self._refused = f"the broker refuses the subscription to {topic}: {reason}"
            case ConnectionLost(_, reason):
                self._client.lost(reason)
