"""Brokers as others run them: over WebSockets, without retained messages, with small limits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from device.errors import BrokerError, ConfigError
from device.publishing.mqtt_publisher import MqttPublisher
from tests.device.mqtt.porch import MODEL, ROOT, config, event, face
from tests.support.broker import Listener, Mosquitto, free_port, needs_mosquitto, retained, wait_for
from tests.support.certificates import Authority
from tests.support.site_broker import PASSWORD, SiteBroker, write_passwords

pytestmark = needs_mosquitto
WEB = ("device.mqtt.transport=websockets", "device.mqtt.path=/mqtt")


@contextmanager
def broker(folder: Path, extra: str) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(folder, extra=f"{extra}\nallow_anonymous true").start()
    try:
        yield mosquitto
    finally:
        mosquitto.kill()


def delivers(publisher: MqttPublisher) -> None:
    """Publish two events and a face; wait for their acknowledgements."""
    try:
        publisher.publish([event("start"), event("end")], [face()])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
    finally:
        publisher.close()


@contextmanager
def web_broker(folder: Path, extra: str = "") -> Iterator[tuple[Mosquitto, int]]:
    """A broker and the port of its WebSockets; Mosquitto 2.0 needs a plain listener beside."""
    port = free_port()
    with broker(folder, f"listener {port} 127.0.0.1\nprotocol websockets\n{extra}") as mosquitto:
        wait_for(lambda: is_open(port), "the WebSockets")
        yield mosquitto, port


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("protocol", ["auto", "v3.1.1"])
def test_events_go_over_a_web_socket(tmp_path: Path, protocol: str) -> None:
    with web_broker(tmp_path) as (_, port):
        delivers(MqttPublisher(config(port, tmp_path, *WEB, f"device.mqtt.protocol={protocol}"), MODEL))


def test_events_go_over_a_web_socket_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server")
    tls = ("device.mqtt.tls=true", f"device.mqtt.ca_file={authority.certificate}")
    with web_broker(tmp_path, f"certfile {certificate}\nkeyfile {key}") as (_, port):
        delivers(MqttPublisher(config(port, tmp_path, *WEB, *tls), MODEL))


def test_a_web_socket_that_is_none_is_one_sentence(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"check device\.mqtt\.port, path, tls and transport\."):
        MqttPublisher(config(mosquitto.port, tmp_path, *WEB), MODEL)


def test_a_device_on_a_web_socket_that_cannot_say_offline_has_the_broker_say_it(tmp_path: Path) -> None:
    with web_broker(tmp_path) as (mosquitto, web), Listener(mosquitto.port) as listener:
        publisher = MqttPublisher(config(web, tmp_path, *WEB), MODEL)
        listener.wait_text(f"{ROOT}/availability", "online")
        connection = publisher._worker._client._connection
        assert connection is not None
        connection.close(with_will=True)
        listener.wait_text(f"{ROOT}/availability", "offline")
        publisher.close()


def test_a_broker_that_keeps_nothing_is_believed_with_mqtt_5(tmp_path: Path) -> None:
    with broker(tmp_path, "retain_available false") as mosquitto, Listener(mosquitto.port, f"{ROOT}/#") as listener:
        delivers(MqttPublisher(config(mosquitto.port, tmp_path), MODEL))
        listener.wait_text(f"{ROOT}/availability", "offline")
        assert listener.texts(f"{ROOT}/availability") == ["online", "offline"]
        assert len(listener.objects(f"{ROOT}/events")) == 2


def test_retain_can_be_turned_off(tmp_path: Path) -> None:
    settings = ("device.mqtt.retain=false", "device.mqtt.protocol=v3.1.1")
    with broker(tmp_path, "retain_available false") as mosquitto:
        delivers(MqttPublisher(config(mosquitto.port, tmp_path, *settings), MODEL))


def test_where_retain_is_off_nothing_is_left(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    delivers(MqttPublisher(config(own_mosquitto.port, tmp_path, "device.mqtt.retain=false"), MODEL))
    assert retained(own_mosquitto.port, "#") == {}


@pytest.mark.parametrize("limit", [1024, 2048])
def test_a_broker_of_small_packets_keeps_the_connection(
    tmp_path: Path, limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    with broker(tmp_path, f"max_packet_size {limit}") as mosquitto:
        delivers(MqttPublisher(config(mosquitto.port, tmp_path), MODEL))
        assert "lost the MQTT broker" not in caplog.text
        kept = retained(mosquitto.port, "homeassistant/#")
        assert kept and all(len(payload) < limit for payload in kept.values())


def test_a_giant_that_is_retained_at_the_broker_is_not_received(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(own_mosquitto.port, f"{ROOT}/cmd/response/+") as listener:
        listener.publish(f"{ROOT}/cmd/request/status", "x" * 1_000_000, retain=True)
        publisher = MqttPublisher(config(own_mosquitto.port, tmp_path, "device.mqtt.protocol=v5"), MODEL)
        received: list[int] = []
        client = publisher._worker._client._connection
        assert client is not None
        topic = f"{ROOT}/cmd/request/status"
        client._client.on_message = lambda _client, _data, message: (
            received.append(len(message.payload)) if message.topic == topic else None
        )

        def asked() -> list[int]:
            listener.publish(topic, "{}")  # again, if it was not subscribed yet
            return received

        wait_for(asked, "a request")
        assert set(received) == {2}
        delivers(publisher)


@pytest.mark.parametrize("file", ["site.conf", "central.conf"])
def test_our_broker_files_let_no_giant_in(tmp_path: Path, file: str) -> None:
    mosquitto = SiteBroker(tmp_path / "broker", [file], ["porch"])
    mosquitto.start()
    try:
        closed = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311, reconnect_on_failure=False)
        client.username_pw_set("porch", PASSWORD)
        client.on_disconnect = lambda *_: closed.set()
        client.connect("127.0.0.1", mosquitto.port)
        client.loop_start()
        client.publish(f"{ROOT}/cmd/request/status", "x" * 70_000, retain=True, qos=1)
        assert closed.wait(30)
        client.loop_stop()
        assert "x" not in "".join(mosquitto_retained(mosquitto.port))
    finally:
        mosquitto.kill()


def mosquitto_retained(port: int) -> list[str]:
    """Payloads that a new subscriber gets as user porch, before a mark."""
    heard: list[str] = []
    marked = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    client.username_pw_set("porch", PASSWORD)
    client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/#", 1)
    client.on_subscribe = lambda client, *_: client.publish(f"{ROOT}/mark", "mark", 1)
    client.on_message = lambda _client, _data, message: (
        marked.set() if message.topic.endswith("mark") else heard.append(message.payload.decode())
    )
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert marked.wait(30)
    client.disconnect()
    client.loop_stop()
    return heard


def test_the_user_name_may_stand_in_the_settings(tmp_path: Path) -> None:
    write_passwords(tmp_path / "passwords", ["porch"])
    (tmp_path / "password").write_text("change-me\n")
    settings = ("device.mqtt.username=porch", f"device.mqtt.password_file={tmp_path / 'password'}")
    mosquitto = Mosquitto(tmp_path, extra=f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}").start()
    try:
        delivers(MqttPublisher(config(mosquitto.port, tmp_path, *settings), MODEL))
        twice = config(mosquitto.port, tmp_path, *settings, f"device.mqtt.username_file={tmp_path / 'password'}")
        with pytest.raises(ConfigError, match="username and username_file are both set; remove one of them"):
            MqttPublisher(twice, MODEL)
    finally:
        mosquitto.kill()
