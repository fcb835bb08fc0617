"""Requests over a real broker: retained ones, cleared ones, too many, Home Assistant's switch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.reports import CameraReport
from tests.device.mqtt.porch import MODEL, ROOT, config
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for

pytestmark = needs_mosquitto


@contextmanager
def listening(port: int, folder: Path, *settings: str) -> Iterator[tuple[MqttPublisher, Listener]]:
    """A device that accepts `pause` and `resume`, and a subscriber to its responses."""
    with Listener(port, f"{ROOT}/cmd/response/+") as listener:
        publisher = MqttPublisher(config(port, folder, *settings), MODEL, commands={"pause", "resume"})
        try:
            wait_for(lambda: is_answered(listener), "the first response")
            yield publisher, listener
        finally:
            publisher.close()


def is_answered(listener: Listener) -> bool:
    """Ask again, because the device may have subscribed after the last request."""
    listener.publish(f"{ROOT}/cmd/request/status", '{"transaction": "ready"}')
    return bool(listener.objects(f"{ROOT}/cmd/response/status"))


def received(publisher: MqttPublisher, listener: Listener) -> list[str]:
    """The verbs that reached the main thread, when the next `status` is answered."""
    listener.publish(f"{ROOT}/cmd/request/status", '{"transaction": "after"}')
    wait_for(
        lambda: [a for a in listener.objects(f"{ROOT}/cmd/response/status") if a["transaction"] == "after"], "`after`"
    )
    return [request.verb for request in publisher.requests()]


@pytest.mark.parametrize("protocol", ["v5", "v3.1.1"])
def test_clearing_a_retained_request_is_no_request(own_mosquitto: Mosquitto, tmp_path: Path, protocol: str) -> None:
    port, topic = own_mosquitto.port, f"{ROOT}/cmd/request/pause"
    with Listener(port, "nothing") as other:
        other.publish(topic, "{}", retain=True)
    with listening(port, tmp_path, f"device.mqtt.protocol={protocol}") as (publisher, listener):
        listener.publish(topic, "", retain=True)
        assert received(publisher, listener) == []


def test_a_retained_request_is_not_obeyed_while_the_device_is_there_either(
    own_mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(own_mosquitto.port, tmp_path) as (publisher, listener):
        listener.publish(f"{ROOT}/cmd/request/pause", "{}", retain=True)
        assert received(publisher, listener) == []
        assert "a retained request is ignored" in caplog.text


def test_the_switch_of_home_assistant_is_pause_and_resume(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    with listening(own_mosquitto.port, tmp_path) as (publisher, listener):
        for state in ("off", "on", "sideways"):
            listener.publish(f"{ROOT}/cmd/request/camera", state)
        assert received(publisher, listener) == ["pause", "resume"]
        (refused,) = listener.objects(f"{ROOT}/cmd/response/camera")
        assert refused["status"] == "error"


def test_a_status_is_the_same_for_a_second_unless_the_state_changes(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    with listening(own_mosquitto.port, tmp_path) as (publisher, listener):
        publisher.report(CameraReport("running"))
        listener.publish(f"{ROOT}/cmd/request/status", '{"transaction": "1"}')
        (answer,) = wait_for(
            lambda: [a for a in listener.objects(f"{ROOT}/cmd/response/status") if a["transaction"] == "1"], "`1`"
        )
        assert answer["data"]["status"]["camera"] == "running"


def test_too_many_requests_are_refused_and_another_command_is_not(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    with listening(own_mosquitto.port, tmp_path) as (publisher, listener):
        for number in range(400):
            listener._client.publish(f"{ROOT}/cmd/request/status", f'{{"transaction": "{number}"}}')
        listener.publish(f"{ROOT}/cmd/request/pause", '{"transaction": "mine"}')
        wait_for(lambda: [request.verb for request in publisher.requests()] == ["pause"], "the pause")
        wait_for(
            lambda: any("too many requests: at most 20 a second" in text for text in answers(listener)), "a refusal"
        )


def answers(listener: Listener) -> list[str]:
    return listener.texts(f"{ROOT}/cmd/response/status")
