"""Topics of a device: from its id and its base topic."""

from __future__ import annotations

import json
import socket

import pytest

from device.config.schema import DeviceConfig, load_config
from device.errors import ConfigError
from device.mqtt.topics import EVENTS, TRACK_STATE, Topics, device_id


def test_topics_carry_base_device_and_track() -> None:
    topics = Topics(load_config(overrides=["device.id=porch", "device.mqtt.base_topic=house/faces"]))
    assert topics.of(EVENTS) == "house/faces/porch/events"
    assert topics.of(TRACK_STATE, track=7) == "house/faces/porch/tracks/7/state"
    assert topics.of(TRACK_STATE) == "house/faces/porch/tracks/+/state"
    assert topics.track_of("house/faces/porch/tracks/7/state") == 7
    assert topics.track_of("house/faces/attic/tracks/7/state") is None


def test_a_number_of_thousands_of_digits_is_no_track() -> None:
    """Anybody may publish there, and Python refuses to parse more than 4300 digits."""
    topics = Topics(load_config(overrides=["device.id=porch"]))
    assert topics.track_of(f"emotion/porch/tracks/{'9' * 5000}/state") is None


def test_the_devices_name_is_the_hosts_made_fit_for_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "küche+pi.local")
    assert device_id(DeviceConfig()) == "k-che-pi"


@pytest.mark.parametrize("wrong", ["id='a/b'", "id=''", "id='a b'", "id='#'", f"id={'x' * 65}"])
def test_a_name_that_no_topic_can_hold_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"device\.id is .*letters, digits, - or _"):
        Topics(load_config(overrides=[f"device.{wrong}"]))


@pytest.mark.parametrize("wrong", ["", "/a", "a/", "a/+/b", "#", "$SYS"])
def test_a_base_that_is_no_topic_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"device\.mqtt\.base_topic is"):
        Topics(load_config(overrides=[f"device.mqtt.base_topic={json.dumps(wrong)}"]))
