"""Keeps a connection to the broker: connects, notices a loss, waits, reconnects."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Iterator

from device.config.schema import MqttConfig
from device.errors import EmotionEdgeError
from device.mqtt.connection import TAKEN_OVER, Acknowledged, Connection, Post, connect
from device.mqtt.topics import Message

log = logging.getLogger(__name__)

MAX_SHORT = 3  # short connections in a row; then something ends them again and again
MAX_RESPONSES = 100  # waiting; of more, the oldest are dropped


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
        self._waiting: dict[str, Message] = {}  # topic -> retained message that has no room yet; in order
        self._responses: deque[Message] = deque(maxlen=MAX_RESPONSES)  # that have no room yet
        self._response: int = 0  # number of a response in flight

    @property
    def up(self) -> bool:
        """There is a connection."""
        return self._connection is not None

    @property
    def settled(self) -> bool:
        """Everything was sent and acknowledged."""
        return not (self._in_flight or self._waiting or self._responses)

    @property
    def room(self) -> int:
        """How many more events may be in flight now.

        Waiting retained messages come first; waiting responses do not, however many there are.
        """
        return self._free - len(self._waiting)

    @property
    def max_bytes(self) -> int | None:
        """The largest packet that the broker takes; None without a connection."""
        return self._connection.max_bytes if self._connection is not None else None

    def fits(self, message: Message) -> bool:
        """Whether the broker takes a message of this size; anything fits without a connection."""
        return self._connection is None or self._connection.fits(message)

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
        self._responses.clear()
        self._response = 0
        self.reconnects += 1
        log.info("connected to the MQTT broker at %s (MQTT %d)", self._where(), self._connection.version)

    def reopen(self) -> bool:
        """Reconnect if it is time to; returns whether there is a new connection."""
        if self.up or time.monotonic() < self.due_s:
            return False
        try:
            self.open()
        except EmotionEdgeError as error:
            log.warning("%s Trying again in %.1f s.", str(error), self._wait())  # a record may keep the error
        return self.up

    def lost(self, reason: str) -> None:
        """Handle the loss of the connection."""
        if self._connection is not None:
            self._connection.release()
        self._connection = None
        if time.monotonic() - self._since_s > self._config.reconnect_max_s:
            self._short_connections = 0
            self._delays = self._new_delays()  # it lasted: start with short waits again
        else:
            self._short_connections += 1
        log.warning("lost the MQTT broker at %s: %s; trying again in %.1f s", self._where(), reason, self._wait())
        if reason == TAKEN_OVER:
            log.warning("another client has the id %s too; give each device its own device.id", self._client_id)
        elif self._short_connections == MAX_SHORT:
            log.warning("%d connections in a row were short; the broker's log may tell why it ends them", MAX_SHORT)

    def subscribe(self, topics: list[str], qos: int = 1, as_published: bool = False) -> None:
        """Subscribe as `Connection.subscribe` does; each new connection must subscribe again."""
        if self._connection is not None:
            self._connection.subscribe(topics, qos, as_published)

    def publish(self, message: Message) -> None:
        """Send as soon as there is room.

        Of a retained topic only the newest message waits; a message of QoS 0 never waits. Any other
        is a response: those yield to events, but one at a time is always let through.
        """
        if message.qos == 0:
            if self.room > 0:
                self.send(message)
        elif message.retain:
            self._waiting[message.topic] = message
            self._send_retained()
        elif self._connection is not None:
            self._responses.append(message)
            self.send_responses()

    def send(self, message: Message) -> int:
        """Send now; without a connection do nothing. Returns the message number, or 0."""
        if self._connection is None:
            return 0
        number = self._connection.send(message)
        if message.qos > 0:
            self._in_flight[number] = message.topic
        return number

    def acknowledged(self, item: Acknowledged) -> str:
        """Handle an acknowledgement; returns the topic of its message.

        Afterwards it is the events' turn, then that of `send_responses`.
        """
        topic = self._in_flight.pop(item.number, "")
        was_response = item.number == self._response
        self._send_retained()
        if was_response:
            self._response = 0  # and no other at once: with a window of one, events take turns with responses
        elif not self._response:
            self._send_response()
        return topic

    def send_responses(self) -> None:
        """Send the waiting responses that there is room for."""
        while self._responses and self.room > 0:
            self._send_response()

    @property
    def _free(self) -> int:
        return (self._connection.window if self._connection is not None else 0) - len(self._in_flight)

    def _send_retained(self) -> None:
        while self._waiting and self._free > 0:
            self.send(self._waiting.pop(next(iter(self._waiting))))

    def _send_response(self) -> None:
        if self._responses and self.room > 0:
            self._response = self.send(self._responses.popleft())

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
