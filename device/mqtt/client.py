"""Keeps a connection to the broker: makes it, notices its loss, waits, makes the next."""

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

SUSPICIOUS = 3  # so many short connections in a row: two clients of one name throw each other out


class ReconnectingClient:
    """The broker, as seen by the one thread that speaks to it; made without a connection.

    Args:
        config: where to, as whom, and how patiently.
        client_id: unique among the broker's clients.
        will: what the broker says for us when we are gone; None: nothing.
        post: called with everything that happens on a connection.
    """

    def __init__(self, config: MqttConfig, client_id: str, will: Message | None, post: Post) -> None:
        self.reconnects = -1  # connections after the first
        self.due_s = 0.0  # when to try again, monotonic seconds; means nothing while connected
        self._config = config
        self._client_id = client_id
        self._will = will
        self._post = post
        self._connection: Connection | None = None
        self._spoke_5 = False
        self._since_s = 0.0
        self._short_lived = 0  # connections in a row that did not last
        self._delays = self._new_delays()
        self._unanswered: dict[int, str] = {}  # the connection's message number -> topic
        self._waiting: dict[object, Message] = {}  # what found no room, in order

    @property
    def up(self) -> bool:
        """There is a connection."""
        return self._connection is not None

    @property
    def settled(self) -> bool:
        """Everything was said, and the broker has answered to it."""
        return not (self._unanswered or self._waiting)

    @property
    def room(self) -> int:
        """How many more messages of QoS 1 may be under way now; those that were to be said come first."""
        window = self._connection.window if self._connection is not None else 0
        return window - len(self._unanswered) - len(self._waiting)

    def is_current(self, connection: Connection) -> bool:
        """Whether this is the connection in use, not one that was given up."""
        return connection is self._connection

    def open(self) -> None:
        """Connect.

        Raises:
            BrokerError, ConfigError: see `device.mqtt.connection.dial`.
        """
        self._connection = connect(self._config, self._client_id, self._will, self._post, self._spoke_5)
        self._spoke_5 = self._connection.version == 5
        self._since_s = time.monotonic()
        self._unanswered.clear()
        self._waiting.clear()
        self.reconnects += 1
        log.info("connected to the MQTT broker at %s (MQTT %d)", self._where(), self._connection.version)

    def reopen(self) -> bool:
        """Try to connect again if it is time to; returns whether there is a new connection."""
        if self.up or time.monotonic() < self.due_s:
            return False
        try:
            self.open()
        except EmotionEdgeError as error:
            log.warning("%s Trying again in %.1f s.", error, self._wait())
        return self.up

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        self._connection = None
        if time.monotonic() - self._since_s > self._config.reconnect_max_s:
            self._short_lived = 0
            self._delays = self._new_delays()  # it was a good one: begin with short waits again
        else:
            self._short_lived += 1
        log.warning("lost the MQTT broker at %s: %s; trying again in %.1f s", self._where(), reason, self._wait())
        if reason == "Session taken over" or self._short_lived == SUSPICIOUS:  # Mosquitto 2.0 does not give the reason
            log.warning("if another client calls itself %s too, give each device its own device.id", self._client_id)

    def subscribe(self, topics: list[str], qos: int = 1) -> None:
        """Ask for topics; each new connection must ask again."""
        if self._connection is not None:
            self._connection.subscribe(topics, qos)

    def say(self, message: Message) -> None:
        """Send as soon as there is room; of a retained topic only the newest waits, a message of QoS 0 never does."""
        if message.qos > 0:
            self._waiting[message.topic if message.retain else object()] = message
            self._say_what_waits()
        elif self.room > 0:
            self.send(message)

    def send(self, message: Message) -> int:
        """Send now, or never if there is no connection; returns the number the answer will carry, or 0."""
        if self._connection is None:
            return 0
        number = self._connection.send(message)
        if message.qos > 0:
            self._unanswered[number] = message.topic
        return number

    def answered(self, item: Acknowledged) -> str:
        """The broker answered to a message; returns the topic it was said on."""
        topic = self._unanswered.pop(item.number, "")
        self._say_what_waits()
        return topic

    def _say_what_waits(self) -> None:
        while self._waiting and self._connection and len(self._unanswered) < self._connection.window:
            self.send(self._waiting.pop(next(iter(self._waiting))))

    def close(self) -> None:
        """Leave in peace; if the broker did not take everything, `offline` perhaps, have it say the last will."""
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


def backoff(least_s: float, most_s: float) -> Iterator[float]:
    """Waiting times that double from about `least_s` to at most `most_s`, seconds.

    Each is shortened by up to half at random, so that a fleet does not come back in one instant.
    """
    delay_s = min(least_s, most_s)
    while True:
        yield delay_s * random.uniform(0.5, 1.0)
        delay_s = min(2 * delay_s, most_s)
