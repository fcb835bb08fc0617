"""Keeps a connection to the broker: connects, notices a loss, waits, reconnects."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator

from device.config.schema import MqttConfig
from device.errors import EmotionEdgeError
from device.mqtt.connection import Acknowledged, Connection, Post, connect
from device.mqtt.topics import Message

log = logging.getLogger(__name__)

MAX_SHORT = 3  # short connections in a row; then two clients probably share one id


class ReconnectingClient:
    """The client of the MQTT thread; created without a connection.

    Args:
        config: broker, credentials, timeouts.
        client_id: unique among the broker's clients.
        will: the last will; None for none.
        post: called with everything that happens on a connection.
    """

    def __init__(self, config: MqttConfig, client_id: str, will: Message | None, post: Post) -> None:
        self.reconnects = -1  # connections after the first
        self.due_s = 0.0  # when to reconnect, monotonic seconds; unused while connected
        self._config = config
        self._client_id = client_id
        self._will = will
        self._post = post
        self._connection: Connection | None = None
        self._was_mqtt5 = False
        self._since_s = 0.0
        self._short_connections = 0  # in a row
        self._delays = self._new_delays()
        self._in_flight: dict[int, str] = {}  # message number -> topic
        self._waiting: dict[object, Message] = {}  # no room yet; in order

    @property
    def up(self) -> bool:
        """There is a connection."""
        return self._connection is not None

    @property
    def settled(self) -> bool:
        """Everything was sent and acknowledged."""
        return not (self._in_flight or self._waiting)

    @property
    def room(self) -> int:
        """How many more messages of QoS 1 may be in flight now.

        Those already waiting come first.
        """
        window = self._connection.window if self._connection is not None else 0
        return window - len(self._in_flight) - len(self._waiting)

    def is_current(self, connection: Connection) -> bool:
        """Whether this is the connection in use, not an earlier one."""
        return connection is self._connection

    def open(self) -> None:
        """Connect.

        Raises:
            BrokerError, ConfigError: see `device.mqtt.connection.connect`.
        """
        self._connection = connect(self._config, self._client_id, self._will, self._post, self._was_mqtt5)
        self._was_mqtt5 = self._connection.version == 5
        self._since_s = time.monotonic()
        self._in_flight.clear()
        self._waiting.clear()
        self.reconnects += 1
        log.info("connected to the MQTT broker at %s (MQTT %d)", self._where(), self._connection.version)

    def reopen(self) -> bool:
        """Reconnect if it is time to; returns whether there is a new connection."""
        if self.up or time.monotonic() < self.due_s:
            return False
        try:
            self.open()
        except EmotionEdgeError as error:
            log.warning("%s Trying again in %.1f s.", error, self._wait())
        return self.up

    def lost(self, reason: str) -> None:
        """Handle the loss of the connection."""
        self._connection = None
        if time.monotonic() - self._since_s > self._config.reconnect_max_s:
            self._short_connections = 0
            self._delays = self._new_delays()  # it lasted: start with short waits again
        else:
            self._short_connections += 1
        log.warning("lost the MQTT broker at %s: %s; trying again in %.1f s", self._where(), reason, self._wait())
        if reason == "Session taken over" or self._short_connections == MAX_SHORT:  # Mosquitto 2.0 gives no reason
            log.warning("if another client has the id %s too, give each device its own device.id", self._client_id)

    def subscribe(self, topics: list[str], qos: int = 1) -> None:
        """Subscribe; each new connection must subscribe again."""
        if self._connection is not None:
            self._connection.subscribe(topics, qos)

    def publish(self, message: Message) -> None:
        """Send as soon as there is room.

        Of a retained topic only the newest message waits; a message of QoS 0 never waits.
        """
        if message.qos > 0:
            self._waiting[message.topic if message.retain else object()] = message
            self._send_waiting()
        elif self.room > 0:
            self.send(message)

    def send(self, message: Message) -> int:
        """Send now; without a connection do nothing. Returns the message number, or 0."""
        if self._connection is None:
            return 0
        number = self._connection.send(message)
        if message.qos > 0:
            self._in_flight[number] = message.topic
        return number

    def acknowledged(self, item: Acknowledged) -> str:
        """Handle an acknowledgement; returns the topic of its message."""
        topic = self._in_flight.pop(item.number, "")
        self._send_waiting()
        return topic

    def _send_waiting(self) -> None:
        while self._waiting and self._connection and len(self._in_flight) < self._connection.window:
            self.send(self._waiting.pop(next(iter(self._waiting))))

    def close(self) -> None:
        """Disconnect.

        If something was not acknowledged (`offline`, perhaps), the broker publishes the last will.
        """
        if self._connection is not None:
            self._connection.close(with_will=not self.settled)
            self._connection = None

    def _wait(self) -> float:
        delay_s = next(self._delays)
        self.due_s = time.monotonic() + delay_s
        return delay_s

    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port}"

    def _new_delays(self) -> Iterator[float]:
        return backoff(self._config.reconnect_min_s, self._config.reconnect_max_s)


def backoff(min_s: float, max_s: float) -> Iterator[float]:
    """Waiting times that double from about `min_s` to at most `max_s`, seconds.

    Each is shortened at random by up to half, so that a fleet does not reconnect all at once.
    """
    delay_s = min(min_s, max_s)
    while True:
        yield delay_s * random.uniform(0.5, 1.0)
        delay_s = min(2 * delay_s, max_s)
