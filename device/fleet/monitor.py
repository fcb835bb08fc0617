"""Listens to every board: keeps a connection to the broker, and hands on what it hears."""

from __future__ import annotations

import logging
import queue
import time
import uuid
from contextlib import suppress

from device.config.schema import DeviceConfig
from device.errors import UsageError
from device.fleet.boards import Boards
from device.fleet.report import Report, report
from device.mqtt.client import ReconnectingClient
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused

log = logging.getLogger(__name__)


class Listener:
    """One who listens; a context manager.

    Args:
        config: the broker, the base topic, and what counts as unhealthy.
        boards: whoever speaks is noted there.
        expected: how many boards there must be.

    Raises:
        BrokerError: there is no broker, or it refuses us.
        UsageError: no broker is named, or it cannot be reached as the settings say.
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
        self._link = ReconnectingClient(
            config.mqtt, f"emotion-edge-fleet-{uuid.uuid4().hex[:12]}", None, self._inbox.put
        )
        self._since_s = 0.0
        self._refused: str | None = None

    def __enter__(self) -> Listener:
        self._link.open()
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def listen(self, seconds: float) -> None:
        """Take in what is said within so many seconds; a lost broker is tried again meanwhile."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if not self._link.up:
                left_s = min(left_s, max(0.01, self._link.due_s - time.monotonic()))
            with suppress(queue.Empty):
                self._take(self._inbox.get(timeout=left_s))
            if self._link.reopen():
                self._begin()

    def report(self) -> Report:
        """How the fleet is now."""
        trouble = self._refused if self._link.up else "the broker is lost"
        return report(self._boards, self._limits, time.monotonic(), self._since_s, self._expected, trouble)

    def _begin(self) -> None:
        """Ask for everything, with QoS 0: Mosquitto queues no more than 1,000 messages of QoS 1 for a client, and what
        is retained of a large fleet is more than that.
        """
        self._refused = None
        self._since_s = time.monotonic()
        self._link.subscribe(self._boards.filters(), qos=0)

    def _take(self, item: Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost) -> None:
        if not self._link.is_current(item.connection):
            return
        match item:
            case MessageReceived(_, topic, payload, retained):
                self._boards.hear(topic, payload, retained, time.monotonic())
            case SubscribeRefused(_, topic, reason):
                self._refused = f"the broker lets us hear nothing on {topic}: {reason}"
            case ConnectionLost(_, reason):
                self._link.lost(reason)
