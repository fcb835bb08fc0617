"""A real Mosquitto for one test, and a subscriber that waits for messages."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="Debian's package mosquitto is not installed")
PATIENCE_S = 30.0  # a condition that has not come true by then never will


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str = "the condition", patience_s: float = PATIENCE_S) -> Any:
    """Return the value of `condition` as soon as it is true."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain for {what}"
        time.sleep(0.01)
    return value


class Mosquitto:
    """A broker on a free port of 127.0.0.1; can be killed and started again."""

    def __init__(self, folder: Path, *, persistent: bool = False, extra: str = "allow_anonymous true") -> None:
        assert MOSQUITTO is not None
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        keep = f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n" if persistent else ""
        user = "user root\n" if folder.owner() == "root" else ""  # else it drops to a user who cannot read the folder
        self._config.write_text(f"listener {self.port} 127.0.0.1\n{user}{keep}{extra}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Mosquitto:
        """Start the broker, and return when it accepts connections."""
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log)
        wait_for(self._answers, "Mosquitto")
        return self

    def kill(self) -> None:
        """Stop at once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop cleanly; persistent data is written."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def log(self) -> str:
        """The broker's log."""
        return self._log.read_text()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """A subscriber that keeps all messages. `with Listener(port) as listener: ...`"""

    def __init__(self, port: int, *topics: str) -> None:
        self.heard: list[MQTTMessage] = []
        self._ready = threading.Event()
        self._port = port
        self._topics = [(topic, SubscribeOptions(qos=1)) for topic in topics or ("#",)]
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topics)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(message)

    def __enter__(self) -> Listener:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        """Publish a message; return when the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def texts(self, topic: str) -> list[str]:
        """Payloads on a topic, in the order they came."""
        return [message.payload.decode() for message in list(self.heard) if message.topic == topic]

    def objects(self, topic: str) -> list[dict[str, Any]]:
        """The same, parsed as JSON."""
        return [json.loads(text) for text in self.texts(topic)]

    def wait_text(self, topic: str, text: str) -> None:
        """Wait until the latest payload on a topic is this."""
        wait_for(lambda: self.texts(topic)[-1:] == [text], f"{text!r} on {topic}")

    def wait_objects(self, topic: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until at least so many came."""
        return wait_for(lambda: len(self.texts(topic)) >= count and self.objects(topic), f"{count} on {topic}")  # type: ignore[no-any-return]


def retained(port: int, topic: str) -> dict[str, str]:
    """The retained messages that a new subscriber receives: topic -> payload."""
    mark = f"mark/{time.monotonic_ns()}"
    with Listener(port, topic, mark) as listener:
        listener.publish(mark, "what was retained came before this")
        wait_for(lambda: listener.texts(mark), mark)
        return {m.topic: m.payload.decode() for m in listener.heard if m.retain}


def expiry_s(message: MQTTMessage) -> int | None:
    """Seconds until the message expires; None if it never does."""
    assert isinstance(message.properties, Properties)
    return getattr(message.properties, "MessageExpiryInterval", None)
