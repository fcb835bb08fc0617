"""Clears what a device left on the broker: retained messages, and entities of Home Assistant."""

from __future__ import annotations

import dataclasses
import queue
import time
import uuid
from dataclasses import dataclass, field

from device.config.schema import DeviceConfig
from device.errors import BrokerError, UsageError
from device.mqtt.connection import (
    Acknowledged,
    Connection,
    ConnectionLost,
    MessageReceived,
    SubscribeRefused,
    connect,
)
from device.mqtt.topics import AVAILABILITY, ONLINE, STATUS, Message, Topics, checked
from device.publishing.home_assistant import config_topic

QUIET_S = 1.0  # no retained message for this long: there are no more
MAX_ROUNDS = 5

Item = Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost


@dataclass
class Forgotten:
    """What was cleared.

    Attributes:
        device: its id.
        cleared: topics that had a retained message.
        online: its last word was `online`; if it runs, it will publish again.
        unread: why the topics could not be searched, so that only the known ones were cleared.
    """

    device: str
    cleared: list[str] = field(default_factory=list)
    online: bool = False
    unread: str | None = None


def forget(config: DeviceConfig) -> Forgotten:
    """Clear every retained message of the device `config.id`, and its discovery messages.

    Raises:
        UsageError: device.mqtt.host is not set, or the id or a setting is invalid.
        BrokerError: the broker cannot be reached, or does not let this user clear a topic.
    """
    if config.mqtt.host is None:
        raise UsageError("device.mqtt.host is not set; name the broker: --set device.mqtt.host=broker.local.")
    topics, mqtt = Topics(config), dataclasses.replace(config.mqtt, retain=True)
    inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
    filters, known = [f"{topics.root}/#"], {topics.of(AVAILABILITY), topics.of(STATUS)}
    if (prefix := mqtt.discovery_prefix) is not None:
        known.add(config_topic(checked("discovery_prefix", prefix), topics.device))
        filters.append(f"{prefix}/device/{topics.device}/#")
    connection = connect(mqtt, f"emotion-edge-forget-{uuid.uuid4().hex[:12]}", None, inbox.put)
    try:
        return _Forgetting(connection, inbox, Forgotten(topics.device), topics.of(AVAILABILITY)).run(filters, known)
    finally:
        connection.close()


class _Forgetting:
    def __init__(
        self, connection: Connection, inbox: queue.SimpleQueue[Item], result: Forgotten, availability: str
    ) -> None:
        self._connection = connection
        self._inbox = inbox
        self._result = result
        self._availability = availability

    def run(self, filters: list[str], known: set[str]) -> Forgotten:
        """Clear and look again until nothing is left."""
        for _ in range(MAX_ROUNDS):
            found = self._retained(filters)
            self._result.cleared += sorted(found - set(self._result.cleared))
            if not found and not known:
                return self._result
            if self._connection.retains:  # else the broker keeps nothing
                self._clear(found | known)
            known = set()
        raise BrokerError(f"these topics still have a retained message: {', '.join(sorted(found))}.")

    def _retained(self, filters: list[str]) -> set[str]:
        """Topics with a retained message; with QoS 0, because Mosquitto queues few of QoS 1."""
        found: set[str] = set()
        for each in filters:
            self._connection.subscribe([each], qos=0)
        while (item := self._next(QUIET_S)) is not None:
            if isinstance(item, SubscribeRefused):
                self._result.unread = f"the broker refuses the subscription to {item.topic}: {item.reason}"
            elif isinstance(item, MessageReceived) and item.retained and item.payload:
                found.add(item.topic)
                if item.topic == self._availability:
                    self._result.online = item.payload == ONLINE.encode()
        return found

    def _clear(self, topics: set[str]) -> None:
        sent = {self._connection.send(Message(topic, "", qos=1, retain=True)): topic for topic in sorted(topics)}
        deadline_s = time.monotonic() + 10 * QUIET_S
        while sent:
            item = self._next(deadline_s - time.monotonic())
            if item is None:
                raise BrokerError(f"the broker does not acknowledge that {min(sent.values())} is cleared.")
            if isinstance(item, Acknowledged) and (topic := sent.pop(item.number, None)) and not item.taken:
                raise BrokerError(f"the broker does not let this user clear {topic}: {item.reason}.")

    def _next(self, timeout_s: float) -> Item | None:
        try:
            item = self._inbox.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(item, ConnectionLost):
            raise BrokerError(f"lost the MQTT broker: {item.reason}; run it again.")
        return item
