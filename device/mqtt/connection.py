"""One connection to the MQTT broker; a lost one is replaced, never reused.

paho would by itself resend what a lost connection had in flight, and knows nothing of the outbox.
So each connection is a client of its own, and what was not acknowledged is sent from the outbox
again.
"""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device.config.schema import MqttConfig
from device.errors import BrokerError
from device.mqtt import credentials
from device.mqtt.paho_client import MAX_PACKET_BYTES, Trouble, make_client
from device.mqtt.refusals import CLOSED, NO_QOS_1, SILENT, RetainError, VersionError, refused, unreachable
from device.mqtt.topics import Message

if TYPE_CHECKING:  # paho is imported where it is used: `device --help` does without
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

MAX_MQTT_BYTES = 268_435_460  # no packet of MQTT can be larger
HEADERS_BYTES = 24  # at most, beside topic and payload: lengths, packet number, expiry
TOO_LARGE = "it sent a packet larger than this device reads"
UNREADABLE = "it sent something that is not MQTT"
TAKEN_OVER = "Session taken over"  # reason code 0x8E: another client connected with our id


@dataclass(frozen=True)
class Acknowledged:
    """The broker acknowledged a message; `taken` is false if it refused it, for the `reason`."""

    connection: Connection
    number: int
    taken: bool
    reason: str


@dataclass(frozen=True)
class MessageReceived:
    """A message on a topic we subscribed to."""

    connection: Connection
    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True)
class SubscribeRefused:
    """The broker refused a subscription, and why."""

    connection: Connection
    topic: str
    reason: str


@dataclass(frozen=True)
class ConnectionLost:
    """The connection ended, and we did not close it."""

    connection: Connection
    reason: str


Post = Callable[[Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost], None]


def connect(
    config: MqttConfig, client_id: str, will: Message | None, post: Post, was_mqtt5: bool = False
) -> Connection:
    """Connect, with MQTT 5 if the broker supports it, else with 3.1.1.

    Or as device.mqtt.protocol sets. A broker that refuses a retained will gets one that is not.

    Args:
        config: broker and credentials.
        client_id: unique among the broker's clients.
        will: the last will; None for none.
        post: callback on the connection's own thread, for everything that happens; must not block.
        was_mqtt5: the last connection used MQTT 5; then only an explicit refusal leads to 3.1.1.

    Raises:
        BrokerError: there is no broker, or it refuses the connection.
        ConfigError: a password, certificate or key cannot be used.
    """

    def attempt(version: int) -> Connection:
        try:
            return Connection(config, client_id, will, post, version)
        except RetainError:
            return Connection(dataclasses.replace(config, retain=False), client_id, will, post, version)

    try:
        if config.protocol != "v3.1.1":
            return attempt(version=5)
    except VersionError as error:
        if config.protocol == "v5" or (was_mqtt5 and not error.explicit):
            raise
    return attempt(version=3)


class Connection:
    """An open connection; use `connect` to create one. Raises what `connect` raises."""

    def __init__(self, config: MqttConfig, client_id: str, will: Message | None, post: Post, version: int) -> None:
        self.version = version
        self.window = config.inflight  # QoS 1 messages that may be in flight at once
        self.max_bytes = MAX_MQTT_BYTES  # of a packet; the broker may announce less
        self.retains = config.retain
        self._config = config
        self._post = post
        self._answered = threading.Event()  # the broker accepted or refused us, or closed the connection
        self._ended = threading.Event()
        self._refusal: str | None = None
        self._subscribing: deque[list[str]] = deque()  # topics; the responses come in the same order
        self._trouble = Trouble(on_unreadable=self._on_unreadable)
        self._client = self._make_client(client_id, will)
        self._open()

    def fits(self, message: Message) -> bool:
        """Whether the broker takes a packet as large as this message; else it would disconnect."""
        return packet_bytes(message) <= self.max_bytes

    def send(self, message: Message) -> int:
        """Send a message that fits; returns the number that its acknowledgement will carry."""
        payload, expiry_s = message.payload.encode(), message.expiry_s
        properties = _properties("PUBLISH", MessageExpiryInterval=expiry_s) if self.version == 5 else None
        retain = message.retain and self.retains
        return self._client.publish(message.topic, payload, message.qos, retain, properties).mid

    def subscribe(self, topics: list[str], qos: int = 1, as_published: bool = False) -> None:
        """Subscribe; with MQTT 5, our own messages are left out.

        Args:
            topics: filters.
            qos: highest QoS of what is delivered.
            as_published: with MQTT 5, `MessageReceived.retained` tells how a message was published,
                also for one that comes after the subscription.
        """
        from paho.mqtt.subscribeoptions import SubscribeOptions

        self._subscribing.append(topics)
        if self.version == 5:
            options = SubscribeOptions(qos=qos, noLocal=True, retainAsPublished=as_published)
            self._client.subscribe([(topic, options) for topic in topics])
        else:
            self._client.subscribe([(topic, qos) for topic in topics])

    def close(self, timeout_s: float = 1.0, with_will: bool = False) -> None:
        """Disconnect.

        With `with_will` only the socket is closed, and the broker publishes the last will.
        """
        self._answered.set()
        line: Any = self._client.socket()
        if with_will and line is not None:
            line = getattr(line, "_socket", line)  # the one below paho's web socket
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        else:
            self._client.disconnect()
        self._ended.wait(timeout_s)  # paho's thread is a daemon: a broker that hangs does not block us
        self.release()

    def release(self) -> None:
        """Let go of paho's client, which closes its descriptors.

        Without this they stay open until the garbage collector finds the cycle.
        """
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_message = client.on_subscribe = self._trouble.on_unreadable = None

    def _make_client(self, client_id: str, will: Message | None) -> Client:
        from paho.mqtt.client import MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        client = make_client(
            self._trouble,
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTv5 if self.version == 5 else MQTTv311,
            transport="websockets" if self._config.transport == "websockets" else "tcp",
            reconnect_on_failure=False,
        )
        client.ws_set_options(self._config.path)
        client.connect_timeout = self._config.connect_timeout_s
        client.max_inflight_messages_set(self._config.inflight)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain and self.retains)
        client.username_pw_set(*credentials.user(self._config))
        if (context := credentials.tls(self._config)) is not None:
            client.tls_set_context(context)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_message = self._on_publish, self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _open(self) -> None:
        properties = _properties("CONNECT", MaximumPacketSize=MAX_PACKET_BYTES) if self.version == 5 else None
        host, port, keepalive_s = self._config.host or "", self._config.port, self._config.keepalive_s
        try:
            self._client.connect(host, port, keepalive_s, properties=properties)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be one
            self.release()
            raise BrokerError(unreachable(self._config, error)) from error
        self._client.loop_start()
        may_retry = self._config.protocol == "auto"
        if not self._answered.wait(self._config.connect_timeout_s / (2 if may_retry else 1)):
            self._refusal = SILENT
        if self._refusal is not None:
            self.close(timeout_s=0)
            raise refused(self._config, self._refusal, self.version)

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
        elif getattr(properties, "MaximumQoS", 1) < 1:
            self._refusal = NO_QOS_1
        self.window = min(self.window, getattr(properties, "ReceiveMaximum", self.window))
        self.max_bytes = getattr(properties, "MaximumPacketSize", self.max_bytes)
        self.retains = self.retains and bool(getattr(properties, "RetainAvailable", True))
        self._answered.set()

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._end(TOO_LARGE if self._trouble.too_large else str(reason))

    def _on_unreadable(self) -> None:
        self._end(UNREADABLE)

    def _end(self, reason: str) -> None:
        self._ended.set()
        if not self._answered.is_set():
            self._refusal = CLOSED
            self._answered.set()
        elif self._refusal is None:
            self._post(ConnectionLost(self, reason))

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._post(Acknowledged(self, mid, not reason.is_failure, str(reason)))

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Any
    ) -> None:
        topics = self._subscribing.popleft() if self._subscribing else []  # the broker may answer too often
        for topic, reason in zip(topics, reasons, strict=False):
            if reason.is_failure:
                self._post(SubscribeRefused(self, topic, str(reason)))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        with suppress(UnicodeDecodeError):  # a topic that is not UTF-8 is none of ours
            self._post(MessageReceived(self, message.topic, bytes(message.payload), message.retain))


def packet_bytes(message: Message) -> int:
    """The size of a message's packet, at most."""
    return len(message.topic.encode()) + len(message.payload.encode()) + HEADERS_BYTES


def _properties(packet: str, **values: int | None) -> Properties | None:
    """Properties of MQTT 5 that are not None; None if there is none."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    given = {name: value for name, value in values.items() if value is not None}
    properties = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
    for name, value in given.items():
        setattr(properties, name, value)
    return properties if given else None
