"""An MQTT client that subscribes to one device and prints the messages it receives."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from device.demo.broker import Broker
from device.errors import BrokerError
from device.host.terminal import paint

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

TIMEOUT_S = 10.0
STYLES = {"start": "green", "update": "yellow", "end": "red"}


class Subscriber:
    """Subscribes to all topics of one device and prints each message; a context manager.

    Args:
        broker: the broker that the device publishes to.
        root: first levels of the device's topics, such as `emotion/demo`.

    Raises:
        BrokerError: the broker cannot be reached, or does not accept the subscription.
    """

    def __init__(self, broker: Broker, root: str) -> None:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        self.events: list[dict[str, Any]] = []
        self.latest: dict[str, Any] = {}  # channel -> its latest message
        self.counts: Counter[str] = Counter()  # channel -> number of messages
        self._root = root
        self._started_s = time.monotonic()
        self._subscribed, self._offline = threading.Event(), threading.Event()
        version = MQTTv5 if broker.protocol == "v5" else MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="demo-subscriber", protocol=version)
        self._client.on_connect, self._client.on_message = self._on_connect, self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        try:
            self._client.connect(broker.host, broker.port)
        except OSError as error:
            raise BrokerError(f"The demo's subscriber cannot connect to {broker.name}: {error.strerror}.") from error

    def __enter__(self) -> Subscriber:
        self._client.loop_start()
        if not self._subscribed.wait(TIMEOUT_S):
            raise BrokerError(f"The demo's broker did not accept the subscription within {TIMEOUT_S:g} s.")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_offline(self) -> None:
        """Wait for the device's last message, `offline`.

        Return after a timeout if it never comes.
        """
        self._offline.wait(TIMEOUT_S)

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(f"{self._root}/#", qos=1)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        channel, payload = message.topic.removeprefix(f"{self._root}/"), message.payload.decode()
        self.counts["tracks" if channel.startswith("tracks/") else channel] += 1
        content: Any = payload
        with suppress(ValueError):
            content = json.loads(payload)
        self.latest[channel] = content
        if channel == "events":
            self.events.append(content)
        print(f"{time.monotonic() - self._started_s:5.1f} s  {_line(channel, content)}", flush=True)
        if channel == "availability" and payload == "offline":
            self._offline.set()


def _line(channel: str, content: Any) -> str:
    """One message as a line of text, coloured on a terminal."""
    if channel != "events":
        return paint(f"{channel:<15}{_summary(channel, content)}", "dim")
    kind = content["type"]
    label = f"{content['emotion']} {content['confidence']:.2f}"
    if kind == "update":
        label = f"{content['previous']} -> {label}"
    return paint(f"{channel:<15}{kind:<7} track {content['track']}  {label}  seq {content['seq']}", STYLES[kind])


def _summary(channel: str, content: Any) -> str:
    """The main fields of a message."""
    if channel == "status":
        return f"camera {content['camera']}, model {content['model']['name']} {content['model']['version']}"
    if channel == "summary":
        counts = ", ".join(f"{count} {emotion}" for emotion, count in content["counts"].items() if count)
        return f"{content['faces']} face{'' if content['faces'] == 1 else 's'}{': ' if counts else ''}{counts}"
    if channel == "health":
        p50_ms = content["stages"].get("total", {}).get("p50_ms", 0)
        return f"{content['fps'] or 0:.1f} frames/s, {content['skipped']} skipped, {p50_ms:.1f} ms a frame"
    if channel.startswith("tracks/"):
        return f"{content['emotion']} {content['confidence']:.2f} (retained)" if content else "cleared"
    return str(content)
