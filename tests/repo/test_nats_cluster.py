"""Three clustered NATS servers with deploy/nats/, the cluster of docs/fleet.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.cli.app import main
from device.errors import BrokerError
from device.messages import EmotionEvent
from device.publishing.mqtt_publisher import MqttPublisher
from tests.soak.board_process import AvailabilityMonitor
from tests.soak.boards import LABELS, MODEL, config, name
from tests.support.broker import wait_for
from tests.support.nats import NatsCluster, needs_nats
from tests.support.site_broker import PASSWORD

pytestmark = [needs_nats, pytest.mark.long]
BOARD = name(0)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    servers = NatsCluster(tmp_path / "nats", [BOARD])
    (tmp_path / "password").write_text(PASSWORD)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


def publisher(port: int, folder: Path) -> MqttPublisher:
    settings = ["device.mqtt.connect_timeout_s=60", "device.mqtt.reconnect_max_s=1"]
    return MqttPublisher(config(0, port, folder, settings), MODEL, commands={"pause"})


def connected(port: int, folder: Path) -> MqttPublisher | None:
    """None while the cluster elects leaders, for seconds; systemd would restart the device."""
    try:
        return publisher(port, folder)
    except BrokerError:
        return None


def event() -> EmotionEvent:
    scores = dict.fromkeys(LABELS, 0.1)
    return EmotionEvent(type="start", track=1, ts=1.0, emotion="happy", confidence=0.1, scores=scores)


def test_a_board_on_one_node_is_seen_on_the_others_and_no_event_is_missing_when_its_node_dies(
    cluster: NatsCluster, tmp_path: Path
) -> None:
    first, second, third = (node.port for node in cluster.nodes)
    with AvailabilityMonitor(second) as monitor:
        board = publisher(first, tmp_path)
        monitor.wait_online([BOARD])
        for _ in range(50):
            board.publish([event()], [])
        cluster.nodes[0].kill()
        for _ in range(50):
            board.publish([event()], [])
        board.close()
        board = wait_for(lambda: connected(third, tmp_path), "the other nodes", 60)  # where a load balancer sends it
        wait_for(lambda: monitor.has(BOARD, 100), "all events", 60)
        cluster.nodes[0].start()
        board.close()
        wait_for(lambda: not monitor.online(), "offline")


def test_nothing_of_a_forgotten_board_is_left_on_any_node(cluster: NatsCluster, tmp_path: Path) -> None:
    board = publisher(cluster.nodes[0].port, tmp_path)
    board.close()
    options = {
        "id": BOARD,
        "mqtt.host": "127.0.0.1",
        "mqtt.username": BOARD,
        "mqtt.password_file": tmp_path / "password",
    }
    options["mqtt.port"] = cluster.nodes[2].port
    assert main(["forget", *(f"--set=device.{key}={value}" for key, value in options.items())]) == 0
    with AvailabilityMonitor(cluster.nodes[1].port) as monitor:
        board = publisher(cluster.nodes[1].port, tmp_path)
        monitor.wait_online([BOARD])
        assert [change.retained for change in monitor.changes] == [False], "nothing was there before"
        board.close()
