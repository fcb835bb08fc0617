"""A cluster of three real NATS servers that speak MQTT, with the files of deploy/nats/."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.broker import free_port, wait_for
from tests.support.site_broker import PASSWORD, changed

NATS = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")
needs_nats = pytest.mark.skipif(NATS is None, reason="Debian's package nats-server is not installed")
FILES = Path(__file__).parents[2] / "deploy/nats"
NODES = 3
LEADER = "metadata leader"
WAIT_S = 120.0  # timeout, for a busy machine


class NatsNode:
    """One server; can be killed and started again on its ports and files."""

    def __init__(self, folder: Path, name: str, routes: dict[str, int]) -> None:
        self.port = free_port()  # of MQTT
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        changes = {
            "server_name: node-1": f"server_name: {name}",
            "127.0.0.1:4222": f"127.0.0.1:{free_port()}",
            "0.0.0.0:1883": f"127.0.0.1:{self.port}",
            "0.0.0.0:6222": f"127.0.0.1:{routes[name]}",
            "/var/lib/nats": str(folder / "store"),
            **{f"nats://{each}:6222": f"nats://127.0.0.1:{port}" for each, port in routes.items()},
        }
        for file, text in changed({"node.conf": (FILES / "node.conf").read_text()}, changes):
            (folder / file).write_text(text)

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """It was started and not killed."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; `NatsCluster.start` waits for the cluster."""
        assert NATS is not None
        with (self._folder / "log").open("ab") as log:
            command = [NATS, "-c", str(self._folder / "node.conf")]
            # Linux shares the CPU fairly between sessions: each node is like a machine.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """Stop at once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """What it logged."""
        return (self._folder / "log").read_text()


class NatsCluster:
    """Three servers, each with the same users.

    Args:
        folder: for configuration, logs and storage.
        boards: user names, each for its own topics, all with `PASSWORD`.
    """

    def __init__(self, folder: Path, boards: Iterable[str]) -> None:
        routes = {f"node-{number}": free_port() for number in range(1, NODES + 1)}
        self.nodes = [NatsNode(folder / name, name, routes) for name in routes]
        for name in routes:
            (folder / name / "users.conf").write_text(_users(boards))

    def start(self) -> None:
        """Start all nodes, and wait until each accepts clients.

        The first client of a cluster makes it create its storage, which takes seconds; until then
        it refuses clients. A node that joins after the election logs no leader.
        """
        for node in self.nodes:
            node.start()
        wait_for(lambda: any(LEADER in node.log() for node in self.nodes), "a leader", WAIT_S)
        for node in self.nodes:
            wait_for(lambda node=node: _accepts(node.port), "NATS", WAIT_S)  # type: ignore[misc]

    def kill(self) -> None:
        """Stop all nodes."""
        for node in self.nodes:
            node.kill()


def _accepts(port: int) -> bool:
    """Whether a client can connect and subscribe."""
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, f"probe-{port}", protocol=MQTTv311, reconnect_on_failure=False)
    client.username_pw_set("viewer", PASSWORD)
    client.on_connect = lambda client, *_: client.subscribe("emotion/probe", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    with suppress(OSError):
        client.connect("127.0.0.1", port)
        client.loop_start()
        subscribed.wait(6)
        client.disconnect()
        client.loop_stop()
    return subscribed.is_set()


def _users(boards: Iterable[str]) -> str:
    """users.conf with its example board once for each board."""
    text = (FILES / "users.conf").read_text().replace("change-me", PASSWORD)
    start, end = text.index("    {\n      user: hall"), text.index("    {\n      user: viewer")
    return text[:start] + "".join(text[start:end].replace("hall", board) for board in boards) + text[end:]
