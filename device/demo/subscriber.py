"""What a consumer of the device's events is: an MQTT client that subscribes, and here prints what it hears."""

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


class Consumer:
    """Subscribes to everything one device says; a context manager.

    Raises:
        BrokerError: the broker does not let it subscribe.
    """

    def __init__(self, broker: Broker, root: str) -> None:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        self.events: list[dict[str, Any]] = []
        self.said: dict[str, Any] = {}  # channel -> its latest message
        self.heard: Counter[str] = Counter()  # channel -> messages
        self._root = root
        self._began_s = time.monotonic()
        self._subscribed, self._offline = threading.Event(), threading.Event()
        version = MQTTv5 if broker.protocol == "v5" else MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="demo-consumer", protocol=version)
        self._client.on_connect, self._client.on_message = self._on_connect, self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        try:
            self._client.connect(broker.host, broker.port)
        except OSError as error:
            raise BrokerError(f"The demo's consumer cannot reach {broker.name}: {error.strerror}.") from error

    def __enter__(self) -> Consumer:
        self._client.loop_start()
        if not self._subscribed.wait(TIMEOUT_S):
            raise BrokerError("The demo's broker does not let a consumer subscribe.")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_offline(self) -> None:
        """Return when the device has said goodbye, its last word, or never came to it."""
        self._offline.wait(TIMEOUT_S)

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(f"{self._root}/#", qos=1)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        channel, payload = message.topic.removeprefix(f"{self._root}/"), message.payload.decode()
        self.heard["tracks" if channel.startswith("tracks/") else channel] += 1
        values: Any = payload
        with suppress(ValueError):
            values = json.loads(payload)
        self.said[channel] = values
        if channel == "events":
            self.events.append(values)
        print(f"{time.monotonic() - self._began_s:5.1f} s  {_line(channel, values)}", flush=True)
        if channel == "availability" and payload == "offline":
            self._offline.set()


def _line(channel: str, said: Any) -> str:
    """One message, for a person."""
    if channel == "events":
        was = f"{said['previous']} -> " if said["type"] == "update" else ""
        text = f"{channel:<15}{said['type']:<7} track {said['track']}  {was}{said['emotion']} {said['confidence']:.2f}"
        return paint(f"{text}  seq {said['seq']}", STYLES[said["type"]])
    return paint(f"{channel:<15}{_gist(channel, said)}", "dim")


def _gist(channel: str, said: Any) -> str:
    """The part of a message worth a glance."""
    if channel == "status":
        return f"camera {said['camera']}, model {said['model']['name']} {said['model']['version']}"
    if channel == "summary":
        counts = ", ".join(f"{count} {emotion}" for emotion, count in said["counts"].items() if count)
        return f"{said['faces']} face{'' if said['faces'] == 1 else 's'}{': ' if counts else ''}{counts}"
    if channel == "health":
        took = said["stages"].get("total", {}).get("p50_ms", 0)
        return f"{said['fps'] or 0:.1f} frames/s, {said['skipped']} skipped, {took:.1f} ms a frame"
    if channel.startswith("tracks/"):
        return f"{said['emotion']} {said['confidence']:.2f} (retained)" if said else "cleared"
    return str(said)
