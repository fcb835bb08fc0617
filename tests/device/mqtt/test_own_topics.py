"""What the device subscribes to, and what it does when others publish on its own topics."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.mqtt.porch import ROOT, publish
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, retained, wait_for

pytestmark = needs_mosquitto


@pytest.mark.parametrize("protocol", ["v5", "v3.1.1"])
def test_an_offline_that_comes_late_is_corrected(own_mosquitto: Mosquitto, tmp_path: Path, protocol: str) -> None:
    """As in a cluster, whose nodes publish the last will of the connection before this one."""
    publisher = publish(own_mosquitto.port, tmp_path, f"device.mqtt.protocol={protocol}")
    with Listener(own_mosquitto.port, f"{ROOT}/availability") as listener:
        for count in range(3):
            wait_for(lambda: listener.texts(f"{ROOT}/availability")[-1:] == ["online"], "online")
            listener.publish(f"{ROOT}/availability", "offline", retain=True)
            wait_for(lambda n=count: listener.texts(f"{ROOT}/availability").count("offline") > n)  # type: ignore[misc]
        listener.wait_text(f"{ROOT}/availability", "online")
        publisher.close()
        listener.wait_text(f"{ROOT}/availability", "offline")
    assert retained(own_mosquitto.port, f"{ROOT}/availability") == {f"{ROOT}/availability": "offline"}


@pytest.mark.parametrize("qos", [0, 1])
def test_only_requests_need_a_queue_and_they_only_if_wanted(tmp_path: Path, qos: int) -> None:
    broker = Mosquitto(tmp_path, extra="allow_anonymous true\nlog_type subscribe").start()
    try:
        publish(broker.port, tmp_path, f"device.mqtt.request_qos={qos}").close()
        lines = [line.split()[-2:] for line in broker.log().splitlines() if f" {ROOT}/" in line]
        granted = {topic.removeprefix(f"{ROOT}/"): int(level) for level, topic in lines}
        assert granted == {"availability": 0, "tracks/+/state": 0, "cmd/request/+": qos}
    finally:
        broker.kill()
