"""Brokers that break the protocol, and what they may announce: no event is lost."""

from __future__ import annotations

import gc
import json
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.errors import BrokerError
from device.publishing.mqtt_publisher import MqttPublisher
from tests.device.mqtt.porch import MODEL, ROOT, config, event, face
from tests.support.broker import wait_for
from tests.support.certificates import Authority
from tests.support.fake_broker import (
    DISCONNECT,
    PINGREQ,
    PUBLISH,
    SESSION_TAKEN_OVER,
    SUBSCRIBE,
    FakeBroker,
    Line,
    Packet,
    announce,
    packet,
    puback,
    text,
)

PROTOCOLS = ("v5", "v3.1.1")
EVENTS = f"{ROOT}/events"
LONG = "device.mqtt.reconnect_max_s=30"  # connections that last less are short, also on a busy machine
BUSY_S = 120.0  # timeout, for many connections on a busy machine


@contextmanager
def publishing(broker: FakeBroker, folder: Path, *settings: str) -> Iterator[MqttPublisher]:
    publisher = MqttPublisher(config(broker.port, folder, "device.shutdown_s=0", *settings), MODEL, commands={"pause"})
    try:
        yield publisher
    finally:
        publisher.close()


def is_event(item: Packet) -> bool:
    return item.kind == PUBLISH and item.topic == EVENTS


def seqs(packets: list[Packet]) -> list[int]:
    """Numbers of the events among packets."""
    return [json.loads(item.body[item.body.index(b"{") :])["seq"] for item in packets if is_event(item)]


def well(line: Line, number: int) -> None:
    """A broker without faults."""
    line.connack()
    line.serve()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_acknowledgements_in_the_wrong_order_twice_and_of_nothing(tmp_path: Path, protocol: str) -> None:
    def script(line: Line, number: int) -> None:
        line.connack()
        first = line.serve(is_event)
        numbers = [first.number]
        while len(numbers) < 5:
            numbers.append(line.serve(is_event).number)
        for each in reversed(numbers):
            line.socket.sendall(puback(each) + puback(each) + puback(60_000))
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path, f"device.mqtt.protocol={protocol}") as publisher:
        publisher.publish([event("start", track) for track in range(1, 6)], [])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.publish([event("end", track) for track in range(1, 6)], [])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        assert seqs(broker.connections[0]) == list(range(1, 11))
        assert len(broker.connections) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_packets_that_arrive_byte_by_byte(tmp_path: Path, protocol: str) -> None:
    def script(line: Line, number: int) -> None:
        line.connack()
        for each in puback(line.serve(is_event).number):
            line.socket.sendall(bytes([each]))
            time.sleep(0.02)
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path, f"device.mqtt.protocol={protocol}") as publisher:
        publisher.publish([event("start")], [])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        assert len(broker.connections) == 1


WRONG = {
    "PUBACK without a number": packet(4),
    "half a number": packet(4, b"\0"),
    "SUBACK that was not asked for": packet(9, b"\0\7\0\0"),
    "no packet type": b"\0\0",
    "a length without an end": b"\x30\xff\xff\xff\xff\xff",
    "PUBLISH whose topic is longer than it": packet(3, b"\xff\xff" + b"x" * 10),
    "PUBLISH whose topic is not UTF-8": packet(3, b"\0\2\xff\xfe\0"),
    "reserved QoS": packet(3, text("a/b") + b"\0\1\0", 6),
    "half a packet": packet(3, text("a/b"))[:4],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wrong", WRONG)
def test_after_something_that_is_not_mqtt_no_event_is_missing(tmp_path: Path, protocol: str, wrong: str) -> None:
    def script(line: Line, number: int) -> None:
        line.connack()
        if number == 0:
            item = line.serve(is_event)
            line.socket.sendall(WRONG[wrong])
            if wrong == "half a packet":
                return
            line.puback(item.number)
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path, f"device.mqtt.protocol={protocol}") as publisher:
        publisher.publish([event("start")], [])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.publish([event("end")], [])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        assert set(seqs(broker.packets(PUBLISH))) == {1, 2}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_giant_packet_is_not_read_and_events_still_go_out(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[int] = []

    def script(line: Line, number: int) -> None:
        line.connack()
        if line.serve(lambda item: item.kind == SUBSCRIBE or is_event(item)).kind == SUBSCRIBE:
            size = 200_000_000
            line.socket.sendall(b"\x31" + packet(0, b"")[1:0] + _length(size) + text(f"{ROOT}/cmd/request/status"))
            while sum(sent) < size:
                line.socket.sendall(bytes(100_000))
                sent.append(100_000)
        line.puback(1) if number == 0 else None
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path, f"device.mqtt.protocol={protocol}") as publisher:
        publisher.publish([event("start")], [])
        wait_for(lambda: len(broker.connections) > 1, "a second connection")
        publisher.publish([event("end")], [])
        wait_for(lambda: {1, 2} <= set(seqs(broker.packets(PUBLISH))), "both events")
        assert sum(sent) < 20_000_000, "what the sockets hold, and no more"
        assert "commands are not received: a message under emotion/porch is too large" in caplog.text
        assert SUBSCRIBE not in {item.kind for item in broker.connections[1]}


def _length(value: int) -> bytes:
    digits = b""
    while value:
        value, digit = divmod(value, 128)
        digits += bytes([digit | (128 if value else 0)])
    return digits


def test_a_broker_with_mqtt_5_is_told_what_is_read(tmp_path: Path) -> None:
    with FakeBroker(well) as broker, publishing(broker, tmp_path, "device.mqtt.protocol=v5"):
        connect = broker.connections[0][0].body
        assert b"\x27" + struct.pack(">I", 65_536) in connect


def test_a_certificate_that_changes_at_reconnect_is_refused_until_it_is_right_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other").mkdir()
    ours = Authority(tmp_path)
    good, strange = ours.sign("good"), Authority(tmp_path / "other").sign("strange")
    serving = {"pair": good}

    def tls(number: int) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*serving["pair"])
        return context

    def script(line: Line, number: int) -> None:
        line.connack()
        line.serve(lambda item: is_event(item) and number == 0)

    settings = ("device.mqtt.tls=true", f"device.mqtt.ca_file={ours.certificate}")
    with FakeBroker(script, tls) as broker, publishing(broker, tmp_path, *settings) as publisher:
        serving["pair"] = strange
        publisher.publish([event("start")], [])  # ends the first connection
        wait_for(lambda: "has no trusted certificate" in caplog.text, "the refusal")
        assert broker.packets(PUBLISH)[-1] is broker.connections[0][-1], "nothing is sent to a stranger"
        serving["pair"] = good
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        assert seqs(broker.packets(PUBLISH)) == [1, 1]


def test_another_client_is_blamed_only_if_the_broker_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def script(line: Line, number: int) -> None:
        line.connack()
        if number < 4:
            line.serve(lambda item: item.kind == SUBSCRIBE)
        elif number == 4:
            assert "another client" not in caplog.text
            line.socket.sendall(packet(DISCONNECT, bytes([SESSION_TAKEN_OVER, 0])))
        line.serve(lambda _: number < 5)

    with FakeBroker(script) as broker, publishing(broker, tmp_path, LONG):
        wait_for(lambda: "another client has the id emotion-edge-porch too" in caplog.text, "the reason")
        assert "3 connections in a row were short" in caplog.text
        wait_for(lambda: len(broker.connections) > 5, "the next connection")


def test_a_refused_subscription_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.publishing.mqtt_worker.SUBSCRIBE_S", 0.1)

    def script(line: Line, number: int) -> None:
        line.connack()
        for _ in range(2):
            refused = line.serve(lambda item: item.kind == SUBSCRIBE)
            line.suback(refused.number, 2, code=0x80)
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path):
        wait_for(lambda: len(broker.packets(SUBSCRIBE)) >= 4, "the same subscriptions again")
        assert len(broker.connections) == 1


def test_the_brokers_keepalive_is_kept(tmp_path: Path) -> None:
    def script(line: Line, number: int) -> None:
        line.connack(announce(keepalive_s=1))
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path):
        wait_for(lambda: broker.packets(PINGREQ), "a ping, long before our own 30 s")


def test_nothing_is_retained_where_the_broker_keeps_nothing(tmp_path: Path) -> None:
    def script(line: Line, number: int) -> None:
        line.connack(announce(retain=False))
        line.serve(lambda item: item.kind == PUBLISH and item.retain)

    with FakeBroker(script) as broker, publishing(broker, tmp_path) as publisher:
        publisher.publish([event("start")], [face()])
        wait_for(lambda: {f"{ROOT}/status", f"{ROOT}/tracks/1/state", EVENTS} <= topics(broker), "all kinds")
        assert len(broker.connections) == 1


def test_a_broker_without_qos_1_is_refused(tmp_path: Path) -> None:
    def script(line: Line, number: int) -> None:
        line.connack(announce(qos=0))
        line.serve(lambda item: item.kind == PUBLISH)

    sentence = "takes messages of QoS 0 only, which can be lost; use a broker with QoS 1."
    with FakeBroker(script) as broker, pytest.raises(BrokerError, match=sentence), publishing(broker, tmp_path):
        pass


def topics(broker: FakeBroker) -> set[str]:
    return {item.topic for item in broker.packets(PUBLISH)}


@pytest.mark.parametrize("limit", [2048, 1024, 700])
def test_nothing_larger_than_the_broker_takes_is_sent(
    tmp_path: Path, limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    def script(line: Line, number: int) -> None:
        line.connack(announce(packet_bytes=limit))
        line.serve(lambda item: len(item.body) + 3 > limit)

    with FakeBroker(script) as broker, publishing(broker, tmp_path) as publisher:
        publisher.publish([event("start")], [face()])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        announced = [item for item in broker.packets(PUBLISH) if item.topic.startswith("homeassistant/")]
        assert len({item.topic for item in announced}) == len(announced) > 1
        entities = [json.loads(item.body[item.body.index(b"{") :])["cmps"] for item in announced]
        names = [name for part in entities for name in part]
        assert len(names) == len(set(names)) and {"occupancy", "fps"} <= set(names)
        assert {"event", "faces", "camera_switch"} <= set(names) or limit < 1024
        assert len(broker.connections) == 1
        assert ("so nothing is sent on" in caplog.text) == (limit < 2048)


def test_an_event_that_is_too_large_stays_and_later_ones_pass_it(tmp_path: Path) -> None:
    limits = iter((620, 2000))

    def script(line: Line, number: int) -> None:
        line.connack(announce(packet_bytes=next(limits)))
        if number == 0:
            line.serve(lambda item: is_event(item) and 3 in seqs([item]))
            return
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path) as publisher:
        large = event("start")
        large.scores.update({f"label-{n}": 0.0 for n in range(30)})
        publisher.publish([event("start", 2)], [])
        publisher.publish([large], [])
        publisher.publish([event("end", 2)], [])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        assert seqs(broker.connections[0]) == [1, 3]
        assert seqs(broker.connections[1]) == [2, 3]


def test_descriptors_stay_flat_while_reconnecting(tmp_path: Path) -> None:
    def script(line: Line, number: int) -> None:
        if number % 3:
            line.connack()
            line.serve(lambda item: item.kind == SUBSCRIBE)
        elif number:  # refused, or closed without an answer
            line.connack(code=0x88) if number % 2 else None
        else:
            well(line, number) if number else line.connack()

    settings = ("device.mqtt.reconnect_min_s=0.01", "device.mqtt.reconnect_max_s=0.01")
    gc.collect()
    gc.disable()  # what only the garbage collector closes may stay open for minutes
    try:
        with FakeBroker(script) as broker, publishing(broker, tmp_path, *settings):
            wait_for(lambda: len(broker.connections) >= 5, "the first connections", BUSY_S)
            before = open_descriptors()
            wait_for(lambda: len(broker.connections) >= 35, "30 more", BUSY_S)
            assert open_descriptors() < before + 15
    finally:
        gc.enable()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_an_event_overtakes_requests_that_came_before_it(tmp_path: Path) -> None:
    """Thousands of requests wait at the device; its event goes out among the first."""
    asked = 3000

    def script(line: Line, number: int) -> None:
        line.connack()
        line.serve(lambda item: item.kind == SUBSCRIBE and b"cmd/request" in item.body)
        one = packet(PUBLISH, text(f"{ROOT}/cmd/request/status") + b"\0" + b'{"transaction": "flood"}')
        line.socket.sendall(one * asked)
        line.serve()

    with FakeBroker(script) as broker, publishing(broker, tmp_path) as publisher:
        wait_for(lambda: f"{ROOT}/cmd/response/status" in topics(broker), "the first response")
        publisher.publish([event("start")], [])
        wait_for(lambda: EVENTS in topics(broker), "the event", BUSY_S)
        sent = [item.topic for item in broker.packets(PUBLISH)]
        assert sent[: sent.index(EVENTS)].count(f"{ROOT}/cmd/response/status") < asked / 10
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox", BUSY_S)
        answers = [item.body for item in broker.packets(PUBLISH) if item.topic == f"{ROOT}/cmd/response/status"]
        assert any(b"too many requests" in answer for answer in answers)
