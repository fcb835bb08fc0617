"""A Mosquitto for the rehearsal on the loopback interface, and all messages that it received."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.emulation.rehearsal.steps import Rehearsal, expect, wait_for

PATIENCE_S = 20.0


class Said(NamedTuple):
    """One message."""

    at_s: float  # of time.monotonic, when it was heard
    topic: str
    payload: str
    retained: bool


class Listener:
    """Remembers everything below `emotion/`."""

    def __init__(self, port: int, root: str) -> None:
        self.port = port
        self.heard: list[Said] = []
        self._root = root
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "emotion/#", "-F", "%j"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            said = Said(time.monotonic(), message["topic"], message["payload"], bool(message["retain"]))
            self.heard.append(said)

    def texts(self, channel: str, since: int = 0) -> list[str]:
        """Payloads of a channel such as `events`, without the first `since` messages of all."""
        return [said.payload for said in self.heard[since:] if said.topic == f"{self._root}/{channel}"]

    def objects(self, channel: str, since: int = 0) -> list[dict[str, Any]]:
        """The same, read as JSON."""
        return [json.loads(text) for text in self.texts(channel, since)]

    def close(self) -> None:
        """Hear no more."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()


@contextmanager
def broker(rehearsal: Rehearsal, folder: Path, device: str) -> Iterator[Listener]:
    """A broker for anonymous clients of this machine, and a listener to one device.

    Args:
        rehearsal: its log gets the broker's words.
        folder: for the broker's settings.
        device: the device's name in topics.
    """
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n", encoding="utf-8")
    program = shutil.which("mosquitto")
    expect(program, "mosquitto is gone")
    with rehearsal.log.open("a", encoding="utf-8") as log:
        process = subprocess.Popen([str(program), "-c", str(config)], stdout=log, stderr=log)
    try:
        wait_for(lambda: _answers(port), "Mosquitto", PATIENCE_S, pause_s=0.05)
        listener = Listener(port, f"emotion/{device}")
        try:
            yield listener
        finally:
            listener.close()
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
