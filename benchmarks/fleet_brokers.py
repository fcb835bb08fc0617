"""The brokers that `benchmarks.fleet` compares: one Mosquitto, or three clustered NATS servers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from tests.soak.load_balancer import LoadBalancer
from tests.support.broker import free_port
from tests.support.nats import NatsCluster
from tests.support.site_broker import SiteBroker


class FleetBroker(Protocol):
    """A broker for a fleet, running."""

    label: str
    settings: Sequence[str]  # of the boards
    port: int  # for the boards
    viewer_port: int  # for those who listen; stays up during `fail`
    counts: bool  # it publishes its figures under $SYS/broker
    survives: bool  # boards can connect after `fail`, before `recover`

    def pids(self) -> list[int]:
        """The processes that run now."""

    def fail(self) -> None:
        """Kill it, or the part of it that may fail."""

    def recover(self) -> None:
        """Start again what `fail` killed."""

    def connections_by_second(self) -> dict[int, int] | None:
        """Clients that connected in each second after `recover`; None if the log does not tell."""


class OneMosquitto:
    """One Mosquitto with deploy/mosquitto/site.conf; it fails as a whole."""

    label = "one Mosquitto"
    settings: Sequence[str] = ()
    counts, survives = True, False

    def __init__(self, folder: Path, names: Sequence[str], stack: ExitStack) -> None:
        self._broker = SiteBroker(folder, ["site.conf"], [*names, "viewer"])
        self._broker.start()
        stack.callback(self._broker.kill)
        self.port = self.viewer_port = self._broker.port
        self._recovered_s = 0

    def pids(self) -> list[int]:
        """The processes that run now."""
        return [self._broker.pid]

    def fail(self) -> None:
        """Kill it."""
        self._broker.kill()

    def recover(self) -> None:
        """Start it again."""
        self._recovered_s = int(time.time())
        self._broker.start()

    def connections_by_second(self) -> dict[int, int] | None:
        """From the log: boards only, each once."""
        last = {client: when for when, client in self._broker.connections() if when >= self._recovered_s}
        boards = [when for client, when in last.items() if client.startswith("emotion-edge-board-")]
        return dict(sorted(Counter(when - self._recovered_s for when in boards).items()))


class ClusteredNats:
    """Three NATS servers with deploy/nats/node.conf behind a load balancer; the first fails."""

    label = "three clustered NATS servers"
    settings: Sequence[str] = ("device.mqtt.request_qos=0",)
    counts, survives = False, True

    def __init__(self, folder: Path, names: Sequence[str], stack: ExitStack) -> None:
        self._cluster = NatsCluster(folder, names)
        stack.callback(self._cluster.kill)
        self._cluster.start()
        ports = [node.port for node in self._cluster.nodes]
        self.port = stack.enter_context(LoadBalancer(free_port(), ports)).port
        self.viewer_port = ports[1]

    def pids(self) -> list[int]:
        """The processes that run now."""
        return [node.pid for node in self._cluster.nodes if node.running]

    def fail(self) -> None:
        """Kill the first node."""
        self._cluster.nodes[0].kill()

    def recover(self) -> None:
        """Start the first node again."""
        self._cluster.nodes[0].start()

    def connections_by_second(self) -> dict[int, int] | None:
        """NATS does not log clients."""
        return None


BROKERS: dict[str, type[OneMosquitto] | type[ClusteredNats]] = {"mosquitto": OneMosquitto, "nats": ClusteredNats}
