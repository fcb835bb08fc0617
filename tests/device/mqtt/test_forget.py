"""`device forget` against a real broker: nothing of the device is left, all of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.cli.app import main
from tests.device.mqtt.porch import ROOT, event, face, publish
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, retained

pytestmark = needs_mosquitto
OTHER = {"emotion/porch-2/status": "{}", "homeassistant/device/porch-2/config": "{}"}


def forget(port: int, *arguments: str) -> int:
    settings = ("device.mqtt.host=127.0.0.1", f"device.mqtt.port={port}")
    return main(["forget", *arguments, *(f"--set={setting}" for setting in settings)])


@pytest.mark.parametrize("protocol", ["v5", "v3.1.1"])
def test_nothing_is_left_of_a_device_and_all_of_the_others(
    own_mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    port = own_mosquitto.port
    with Listener(port, "nothing") as listener:
        for topic, payload in OTHER.items():
            listener.publish(topic, payload, retain=True)
        for topic in (f"{ROOT}/cmd/request/pause", "homeassistant/device/porch/2/config"):
            listener.publish(topic, "{}", retain=True)
        publisher = publish(port, tmp_path)
        publisher.publish([event("start", track) for track in range(1, 9)], [face(track) for track in range(1, 9)])
        publisher.close()
    before = retained(port, "#")
    assert {f"{ROOT}/status", f"{ROOT}/tracks/8/state", "homeassistant/device/porch/config"} < before.keys()
    assert forget(port, "--id", "porch", f"--set=device.mqtt.protocol={protocol}", "--json") == 0
    assert retained(port, "#") == OTHER
    told = json.loads(capsys.readouterr().out)
    assert set(told["cleared"]) == before.keys() - OTHER.keys() and not told["online"]
    assert forget(port, "--id", "porch") == 0
    assert capsys.readouterr().out == "porch: 0 retained messages cleared.\n"


def test_a_device_whose_last_word_was_online_is_told_of(
    own_mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    with Listener(own_mosquitto.port, "nothing") as listener:
        listener.publish(f"{ROOT}/availability", "online", retain=True)
    assert forget(own_mosquitto.port, "--id=porch") == 0
    assert "porch was online; stop it, else it publishes them again." in capsys.readouterr().err


def test_more_messages_than_mosquitto_queues_at_once(own_mosquitto: Mosquitto) -> None:
    with Listener(own_mosquitto.port, "nothing") as listener:
        for track in range(1500):
            info = listener._client.publish(f"{ROOT}/tracks/{track}/state", "{}", qos=1, retain=True)
        info.wait_for_publish(30)
    assert forget(own_mosquitto.port, "--id=porch") == 0
    assert retained(own_mosquitto.port, "#") == {}


def test_who_may_not_clear_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acl").write_text("topic read #\n")
    mosquitto = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {tmp_path / 'acl'}").start()
    try:
        assert forget(mosquitto.port, "--id=porch") == 1
        assert "the broker does not let this user clear emotion/porch/availability: Not authorized." in (
            capsys.readouterr().err
        )
    finally:
        mosquitto.kill()


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "--set=device.mqtt.host=null"]) == 2
    assert "device.mqtt.host is not set" in capsys.readouterr().err
    assert forget(1, "--id=a/b") == 2
    assert "device.id is 'a/b'" in capsys.readouterr().err
    assert forget(1, "--id=porch") == 1
    assert "cannot be reached" in capsys.readouterr().err
