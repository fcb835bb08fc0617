"""Messages at a real Mosquitto: topics, QoS, retain flags, health, Home Assistant."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.demo.broker import open_broker
from device.errors import BrokerError
from device.messages import Stage
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.publisher import open_publisher
from device.publishing.reports import CameraReport, Progress
from tests.device.mqtt.porch import DISCOVERY, MODEL, ROOT, config, event, face, publish
from tests.support.broker import Listener, Mosquitto, expiry_s, needs_mosquitto, retained, wait_for

pytestmark = needs_mosquitto


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    yield broker
    broker.kill()


def test_a_face_comes_changes_and_goes(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        publisher = publish(mosquitto.port, tmp_path)
        publisher.report(CameraReport("running"))
        publisher.publish([event("start")], [face()])
        publisher.publish([], [face()])
        publisher.publish([event("update", emotion="angry")], [face(emotion="angry")])
        publisher.publish([event("end", emotion="angry")], [])
        publisher.report(CameraReport("stopped"))
        publisher.close()
        listener.wait_text(f"{ROOT}/availability", "offline")

    said = listener.objects(f"{ROOT}/events")
    assert [(e["seq"], e["type"], e["emotion"], e["replayed"]) for e in said] == [
        (1, "start", "happy", False),
        (2, "update", "angry", False),
        (3, "end", "angry", False),
    ]
    states = listener.texts(f"{ROOT}/tracks/1/state")  # on change only, and at last an empty one
    assert [json.loads(text)["emotion"] if text else None for text in states] == ["happy", "angry", None]
    assert [s["camera"] for s in listener.objects(f"{ROOT}/status")] == ["starting", "running", "stopped"]
    assert listener.texts(f"{ROOT}/availability") == ["online", "offline"]
    assert [s["faces"] for s in listener.objects(f"{ROOT}/summary")] == [0, 1, 0]


def test_how_each_topic_is_carried(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        publisher = publish(mosquitto.port, tmp_path)
        publisher.publish([event("start")], [face()])
        listener.wait_objects(f"{ROOT}/events")
        listener.wait_objects(f"{ROOT}/tracks/1/state")
        kept = retained(mosquitto.port, f"{ROOT}/#")
        publisher.close()

    by_topic = {message.topic: message for message in listener.heard}
    assert {topic.removeprefix(ROOT + "/"): by_topic[topic].qos for topic in by_topic} == {
        "availability": 1,
        "status": 1,
        "events": 1,
        "tracks/1/state": 1,
        "summary": 0,
    }
    assert {topic.removeprefix(ROOT + "/") for topic in kept} == {"availability", "status", "tracks/1/state"}
    assert 0 < (expiry_s(by_topic[f"{ROOT}/tracks/1/state"]) or 0) <= 60
    assert 86390 < (expiry_s(by_topic[f"{ROOT}/events"]) or 0) <= 86400


def test_health_is_said_at_once_and_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/health") as listener:
        publisher = publish(mosquitto.port, tmp_path, "device.report.health_s=0.05")
        stage = Stage(p50_ms=1.0, p95_ms=2.0, max_ms=3.0, n=10)
        publisher.report(Progress(14.9, frames=10, skipped=2, stages={"detect": stage}, last_frame_s=time.monotonic()))
        first, *_, last = listener.wait_objects(f"{ROOT}/health", 3)
        publisher.close()
    assert (first["fps"], first["frames"], first["skipped"], first["reconnects"]) == (14.9, 10, 2, 0)
    assert first["stages"] == {"detect": {"p50_ms": 1.0, "p95_ms": 2.0, "max_ms": 3.0, "n": 10}}
    empty = {"depth": 0, "bytes": 0, "dropped": 0, "oldest_age_s": None, "held": 0, "trouble": None, "damaged": 0}
    assert first["outbox"] == empty
    assert last["last_frame_age_s"] >= first["last_frame_age_s"] >= 0


def test_home_assistant_is_told_again_when_it_is_back(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publisher = publish(mosquitto.port, tmp_path)
    publisher.publish([event("start")], [face()])
    wait_for(lambda: publisher._outbox.depth == 0, "the event, which comes after the first announcement")
    with Listener(mosquitto.port) as listener:
        listener.wait_objects(DISCOVERY)
        listener.wait_objects(f"{ROOT}/tracks/1/state")
        told = {m.topic: m.retain for m in listener.heard}
        listener.heard.clear()
        listener.publish("homeassistant/status", "offline")
        listener.publish("homeassistant/status", "online")
        payload = listener.wait_objects(DISCOVERY)[0]
        listener.wait_objects(f"{ROOT}/summary")
        again = {m.topic for m in listener.heard if not m.retain}
    publisher.close()
    assert told[DISCOVERY]
    assert {DISCOVERY, f"{ROOT}/availability", f"{ROOT}/status", f"{ROOT}/tracks/1/state", f"{ROOT}/summary"} <= again
    assert {"dev", "o", "cmps"} <= payload.keys()
    assert listener.texts(DISCOVERY) == [listener.texts(DISCOVERY)[0]], "`offline` asks for nothing"


def test_without_discovery_home_assistant_is_told_nothing(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    publish(own_mosquitto.port, tmp_path, "device.mqtt.discovery_prefix=null").close()
    assert retained(own_mosquitto.port, "#").keys() == {f"{ROOT}/availability", f"{ROOT}/status"}


def test_a_broker_of_mqtt_3_1_1_is_spoken_to_in_its_own_tongue(tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="amqtt is not installed")
    with open_broker(tmp_path, "amqtt") as broker:
        publisher = publish(broker.port, tmp_path, "device.mqtt.connect_timeout_s=4")
        publisher.publish([event("start")], [face()])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.close()
        with pytest.raises(BrokerError, match=r"does not answer to MQTT 5; check device\.mqtt\.port, tls and protocol"):
            publish(broker.port, tmp_path, "device.mqtt.connect_timeout_s=1", "device.mqtt.protocol=v5")


def test_open_publisher_follows_the_config(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publisher = open_publisher(config(mosquitto.port, tmp_path), MODEL)
    assert isinstance(publisher, MqttPublisher)
    publisher.close()
