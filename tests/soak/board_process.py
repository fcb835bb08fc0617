"""Processes that run simulated boards, and a client that monitors which boards are online."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from tests.soak.boards import name
from tests.support.broker import wait_for
from tests.support.site_broker import PASSWORD


class BoardProcess:
    """A process with boards `first` to `first + count - 1`, not yet connected. A context manager.

    Args:
        first: number of the first board.
        count: number of boards.
        port: of the broker on 127.0.0.1.
        folder: for state folders, with a file `password` that all boards log in with.
        settings: values for `device run --set`.
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
            start_new_session=True,  # Linux shares the CPU fairly between sessions: each process is like a machine
        )

    def __enter__(self) -> BoardProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ready(self) -> None:
        """Wait until everything is loaded."""
        assert self._read_line() == "ready\n"

    def go(self) -> None:
        """Connect all boards at once."""
        self._write_line("go")

    def connected(self) -> dict[str, Any]:
        """Wait until all boards are connected; return their number and the seconds it took."""
        return dict(json.loads(self._read_line()))

    def figures(self) -> dict[str, Any]:
        """Return memory and CPU time of the process, how late its ticks are, how many boards are
        connected.
        """
        self._write_line("figures")
        return dict(json.loads(self._read_line()))

    def events(self) -> dict[str, tuple[int, int]]:
        """Return the last number of each board, and how many of its events wait."""
        self._write_line("events")
        return {board: (last, waiting) for board, (last, waiting) in json.loads(self._read_line()).items()}

    def freeze(self) -> None:
        """Stop the process: connections stay open, nothing is sent."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process and so all its boards; may be called again."""
        self._process.kill()
        self._process.communicate()

    def _write_line(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process of the boards died; see its error above"
        return line


@dataclass(frozen=True)
class AvailabilityChange:
    """A board came online or went offline."""

    at_s: float  # monotonic
    board: str
    online: bool
    retained: bool


class AvailabilityMonitor:
    """Receives every board's availability as user `viewer`; reconnects. A context manager.

    It also notes the numbers of all events, with a session that outlives its connections.
    """

    def __init__(self, port: int) -> None:
        self.seqs: defaultdict[str, set[int]] = defaultdict(set)  # by board
        self.changes: list[AvailabilityChange] = []
        self.figures: dict[str, float] = {}  # by topic below $SYS/broker
        self.subscribed = threading.Event()
        self._port = port
        self._client = Client(
            CallbackAPIVersion.VERSION2, "availability-monitor", clean_session=False, protocol=MQTTv311
        )
        self._client.username_pw_set("viewer", PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        topics = [("emotion/+/availability", 0), ("emotion/+/events", 1), ("$SYS/broker/#", 0)]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message

    def __enter__(self) -> AvailabilityMonitor:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        wait_for(self.subscribed.is_set, "the subscription")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def online(self) -> set[str]:
        """Return the boards whose latest message is `online`."""
        last = {change.board: change.online for change in list(self.changes)}
        return {board for board, online in last.items() if online}

    def has(self, board: str, last: int) -> bool:
        """Return whether all events of a board up to a number arrived."""
        return self.count(board, last) == last

    def count(self, board: str, last: int) -> int:
        """Return how many of a board's events up to a number arrived."""
        return sum(seq <= last for seq in list(self.seqs[board]))

    def since(self, at_s: float) -> list[AvailabilityChange]:
        """Return the changes after a monotonic time, without retained messages."""
        return [change for change in list(self.changes) if change.at_s > at_s and not change.retained]

    def wait_online(self, boards: Iterable[str], wait_s: float = 120.0) -> None:
        """Wait until exactly these boards are online."""
        expected = set(boards)
        wait_for(lambda: self.online() == expected, f"{len(expected)} boards", wait_s)

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        if message.topic.startswith("$SYS/"):
            first = message.payload.split()[:1]
            if first and first[0].isdigit():
                self.figures[message.topic.removeprefix("$SYS/broker/")] = float(first[0])
            return
        board = message.topic.split("/")[1]
        if message.topic.endswith("/events"):
            self.seqs[board].add(json.loads(message.payload)["seq"])
            return
        self.changes.append(AvailabilityChange(time.monotonic(), board, message.payload == b"online", message.retain))
