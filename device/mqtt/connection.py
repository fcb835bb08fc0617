"""One connection to the MQTT broker; a lost one is replaced, never reused.

paho would by itself resend what a lost connection had in flight, and knows nothing of the outbox.
So each connection is a client of its own, and what was not acknowledged is sent from the outbox
again.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from device.config.schema import MqttConfig
from device.errors import BrokerError
from device.mqtt import credentials
from device.mqtt.topics import Message

if TYPE_CHECKING:  # paho is imported where it is used: `device --help` does without
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

VERSION_REFUSED = "Unsupported protocol version"
CLOSED, SILENT = "closed", "silent"  # ours; the broker gave no reason
OUT_OF_DATE = (9, 10)  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED
UNAUTHORISED = ("Not authorized", "Bad user name or password", "Bad authentication method")


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


class VersionError(BrokerError):
    """The broker does not support this version of MQTT: it refused it, or did not answer."""

    explicit = False


def connect(
    config: MqttConfig, client_id: str, will: Message | None, post: Post, was_mqtt5: bool = False
) -> Connection:
    """Connect, with MQTT 5 if the broker supports it, else with 3.1.1.

    Or as device.mqtt.protocol sets.

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
    try:
        if config.protocol != "v3.1.1":
            return Connection(config, client_id, will, post, version=5)
    except VersionError as error:
        if config.protocol == "v5" or (was_mqtt5 and not error.explicit):
            raise
    return Connection(config, client_id, will, post, version=3)


class Connection:
    """An open connection; use `connect` to create one. Raises what `connect` raises."""

    def __init__(self, config: MqttConfig, client_id: str, will: Message | None, post: Post, version: int) -> None:
        self.version = version
        self.window = config.inflight  # QoS 1 messages that may be in flight at once
        self._config = config
        self._post = post
        self._answered = threading.Event()  # the broker accepted or refused us, or closed the connection
        self._ended = threading.Event()
        self._refusal: str | None = None
        self._subscribing: deque[list[str]] = deque()  # topics; the responses come in the same order
        self._client = self._make_client(client_id, will)
        self._open()

    def send(self, message: Message) -> int:
        """Send a message; returns the number that its acknowledgement will carry."""
        payload, expiry_s = message.payload.encode(), message.expiry_s
        properties = _expiry(expiry_s) if expiry_s is not None and self.version == 5 else None
        return self._client.publish(message.topic, payload, message.qos, message.retain, properties).mid

    def subscribe(self, topics: list[str], qos: int = 1) -> None:
        """Subscribe; with MQTT 5, our own messages are left out."""
        from paho.mqtt.subscribeoptions import SubscribeOptions

        self._subscribing.append(topics)
        if self.version == 5:
            self._client.subscribe([(topic, SubscribeOptions(qos=qos, noLocal=True)) for topic in topics])
        else:
            self._client.subscribe([(topic, qos) for topic in topics])

    def close(self, timeout_s: float = 1.0, with_will: bool = False) -> None:
        """Disconnect.

        With `with_will` only the socket is closed, and the broker publishes the last will.
        """
        self._answered.set()
        line = cast("socket.socket | None", self._client.socket())  # we never use a web socket
        if with_will and line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        else:
            self._client.disconnect()
        self._ended.wait(timeout_s)  # paho's thread is a daemon: a broker that hangs does not block us

    def _make_client(self, client_id: str, will: Message | None) -> Client:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        protocol = MQTTv5 if self.version == 5 else MQTTv311
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False)
        client.connect_timeout = self._config.connect_timeout_s
        client.max_inflight_messages_set(self._config.inflight)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.username_pw_set(*credentials.user(self._config))
        if (context := credentials.tls(self._config)) is not None:
            client.tls_set_context(context)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_message = self._on_publish, self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _open(self) -> None:
        try:
            self._client.connect(self._config.host or "", self._config.port, self._config.keepalive_s)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be one
            raise BrokerError(_unreachable(self._config, error)) from error
        self._client.loop_start()
        may_retry = self._config.protocol == "auto"
        if not self._answered.wait(self._config.connect_timeout_s / (2 if may_retry else 1)):
            self.close(timeout_s=0)
            self._refusal = SILENT
        if self._refusal is not None:
            raise _refused(self._config, self._refusal, self.version)

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
        self.window = min(self.window, getattr(properties, "ReceiveMaximum", self.window))
        self._answered.set()

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._ended.set()
        if not self._answered.is_set():
            self._refusal = CLOSED
            self._answered.set()
        elif self._refusal is None:
            self._post(ConnectionLost(self, str(reason)))

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._post(Acknowledged(self, mid, not reason.is_failure, str(reason)))

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], props: Any) -> None:
        for topic, reason in zip(self._subscribing.popleft(), reasons, strict=False):
            if reason.is_failure:
                self._post(SubscribeRefused(self, topic, str(reason)))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self._post(MessageReceived(self, message.topic, bytes(message.payload), message.retain))


def _expiry(seconds: int) -> Properties:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = seconds
    return properties


def _unreachable(config: MqttConfig, error: Exception) -> str:
    where = f"the MQTT broker at {config.host}:{config.port}"
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in OUT_OF_DATE:
        return f"{where} has a bad certificate: {error.verify_message}; renew it, or set this machine's clock."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where} has no trusted certificate: {error.verify_message}; check device.mqtt.ca_file and host."
    if isinstance(error, ssl.SSLError):
        return f"{where} does not accept TLS ({error.reason}); check device.mqtt.port and tls."
    if config.tls and isinstance(error, ConnectionResetError):
        return f"{where} closes the connection when asked for TLS; check device.mqtt.port and tls."
    if isinstance(error, TimeoutError):
        return f"{where} does not answer within {config.connect_timeout_s:g} s; check device.mqtt.host and port."
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{where} cannot be reached: {reason}; check device.mqtt.host and port, and that the broker runs."


def _refused(config: MqttConfig, reason: str, version: int) -> BrokerError:
    where = f"the MQTT broker at {config.host}:{config.port}"
    if version == 5 and reason in (VERSION_REFUSED, CLOSED, SILENT):  # what old brokers do with version 5
        error = VersionError(f"{where} does not answer to MQTT 5; check device.mqtt.port, tls and protocol.")
        error.explicit = reason == VERSION_REFUSED
        return error
    if reason in UNAUTHORISED:
        name, _ = credentials.user(config)
        who = "a client without a user name" if name is None else f"user {name!r}"
        return BrokerError(f"{where} refuses {who}: {reason}; check device.mqtt.username_file and password_file.")
    if reason == CLOSED and config.tls:  # with TLS 1.3 a broker that rejects our certificate just closes
        return BrokerError(
            f"{where} closes the connection before answering; check device.mqtt.port, cert_file and key_file."
        )
    if reason == CLOSED:
        return BrokerError(f"{where} closes the connection before answering; check device.mqtt.port and tls.")
    if reason == SILENT:
        return BrokerError(f"{where} accepts the connection and does not answer; check device.mqtt.port and tls.")
    return BrokerError(f"{where} refuses the connection: {reason}.")
