"""Processes that hold simulated boards, and one who hears which boards come and go."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.soak.boards import name
from tests.support.broker import wait_for
from tests.support.site_broker import PASSWORD


class Holder:
    """A process with boards `first` to `first + count - 1`, not yet connected. A context manager.

    Args:
        first: number of its first board.
        count: how many.
        port: of the broker on loopback.
        folder: for their state, and the file `password` that all connect with.
        settings: as `device run --set` takes them.
    """

    def __init__(self, first: int, count: int, port: int, folder: Path, settings: Sequence[str] = ()) -> None:
        self.names = [name(number) for number in range(first, first + count)]
        values = {"first": first, "count": count, "port": port, "folder": folder}
        options = [f"--{key}={value}" for key, value in values.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.boards", *options, *(f"--set={each}" for each in settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # Linux shares a processor between sessions; these are to be like machines
        )

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ready(self) -> None:
        """Return when everything is loaded."""
        assert self._read() == "ready\n"

    def go(self) -> None:
        """Let all connect at once."""
        self._write("go")

    def connected(self) -> dict[str, Any]:
        """Return when all are connected: how many, and in how many seconds."""
        return dict(json.loads(self._read()))

    def figures(self) -> dict[str, Any]:
        """Memory and processor time of the process, and how late its boards' seconds are."""
        self._write("figures")
        return dict(json.loads(self._read()))

    def freeze(self) -> None:
        """Stop without a word: connections stay, nothing is said."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End all its boards at once; harmless when repeated."""
        self._process.kill()
        self._process.communicate()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the boards' process died; its complaint stands above"
        return line


@dataclass(frozen=True)
class Word:
    """A board came or went, at a monotonic second."""

    at_s: float
    board: str
    online: bool
    retained: bool


class Watch:
    """Receives every board's availability as user `viewer`; reconnects. A context manager."""

    def __init__(self, port: int) -> None:
        self.words: list[Word] = []
        self.figures: dict[str, float] = {}  # the broker's own, by their topic
        self.listening = threading.Event()
        self._port = port
        self._client = Client(CallbackAPIVersion.VERSION2, "watch", protocol=MQTTv5)
        self._client.username_pw_set("viewer", PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        topics = [(topic, SubscribeOptions(qos=0)) for topic in ("emotion/+/availability", "$SYS/broker/#")]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = lambda *_: self.listening.set()
        self._client.on_disconnect = lambda *_: self.listening.clear()
        self._client.on_message = self._on_message

    def __enter__(self) -> Watch:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        wait_for(self.listening.is_set, "the watch")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def online(self) -> set[str]:
        """Who is there, by the last word on each."""
        last = {word.board: word.online for word in list(self.words)}
        return {board for board, there in last.items() if there}

    def since(self, at_s: float) -> list[Word]:
        """What was said after a monotonic second; not what the broker repeats to a newcomer."""
        return [word for word in list(self.words) if word.at_s > at_s and not word.retained]

    def wait_online(self, boards: Iterable[str], patience_s: float = 120.0) -> None:
        """Until exactly these are there."""
        expected = set(boards)
        wait_for(lambda: self.online() == expected, f"{len(expected)} boards", patience_s)

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        if message.topic.startswith("$SYS/"):
            first = message.payload.split()[:1]
            if first and first[0].isdigit():
                self.figures[message.topic.removeprefix("$SYS/broker/")] = float(first[0])
            return
        board = message.topic.split("/")[1]
        self.words.append(Word(time.monotonic(), board, message.payload == b"online", message.retain))
