"""Receives the messages of a few topics, for programs that only listen."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from device.config.schema import MqttConfig
from device.errors import UsageError
from device.mqtt.client import ReconnectingClient
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused

Handler = Callable[[str, bytes, bool, float], object]  # topic, payload, whether retained, monotonic seconds


class Subscriber:
    """A context manager that connects, subscribes, reconnects and disconnects.

    Args:
        config: the broker.
        role: part of the client id.
        filters: the topic filters to subscribe to.
        handle: called with each message, by `receive`.
        begin: called before each subscription; what was received before may be out of date.

    Raises:
        BrokerError: the broker cannot be reached, or it refuses the connection.
        UsageError: device.mqtt.host is not set, or the connection's settings are invalid.
    """

    def __init__(
        self,
        config: MqttConfig,
        role: str,
        filters: list[str],
        handle: Handler,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        if config.host is None:
            raise UsageError("device.mqtt.host is not set; name the broker: --set device.mqtt.host=broker.local.")
        self.since_s = 0.0  # start of the current subscription, monotonic seconds
        self._filters = filters
        self._handle_message = handle
        self._begin = begin
        self._inbox: queue.SimpleQueue[Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost] = (
            queue.SimpleQueue()
        )
        self._client = ReconnectingClient(config, f"emotion-edge-{role}-{uuid.uuid4().hex[:12]}", None, self._inbox.put)
        self._refused: str | None = None

    def __enter__(self) -> Subscriber:
        self._client.open()
        self._subscribe()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def trouble(self) -> str | None:
        """Why no messages arrive at this moment; None if they do."""
        return self._refused if self._client.up else "the connection to the broker is lost"

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

    def _subscribe(self) -> None:
        """Subscribe with QoS 0.

        Mosquitto queues at most 1,000 messages of QoS 1 for a client, and a large fleet has more
        retained messages than that.
        """
        self._refused = None
        self.since_s = time.monotonic()
        self._begin()
        self._client.subscribe(self._filters, qos=0)

    def _handle(self, item: Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost) -> None:
        if not self._client.is_current(item.connection):
            return
        match item:
            case MessageReceived(_, topic, payload, retained):
                self._handle_message(topic, payload, retained, time.monotonic())
            case SubscribeRefused(_, topic, reason):
                self._refused = f"the broker refuses the subscription to {topic}: {reason}"
            case ConnectionLost(_, reason):
                self._client.lost(reason)
