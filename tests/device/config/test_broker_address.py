"""The broker's host: a name or an address, not a URL."""

from __future__ import annotations

import pytest

from device.config.schema import load_config
from device.errors import ConfigError


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("mqtt://10.0.0.7", "host: 10.0.0.7, port: 1883, tls: false."),
        ("mqtts://hub.lan", "host: hub.lan, port: 8883, tls: true."),
        ("hub.lan:1990", "host: hub.lan, port: 1990, tls: false."),
        ("hub.lan:many", "host: NAME, port: 1883, tls: false."),
        ("[::1]:1885", "host: ::1, port: 1885, tls: false."),
        ("mqtt://me:hidden@hub.lan", "host: hub.lan, port: 1883, tls: false."),
        (
            "ws://hub.lan:9001/mqtt",
            "host: hub.lan, port: 9001, tls: false, transport: websockets, path: /mqtt.",
        ),
        ("wss://hub.lan", "host: hub.lan, port: 443, tls: true, transport: websockets, path: /."),
    ],
)
def test_a_url_is_refused_with_the_right_settings(host: str, settings: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(overrides=[f'device.mqtt.host="{host}"'])
    assert settings in str(refused.value) and "hidden" not in str(refused.value)


@pytest.mark.parametrize("host", ["hub.lan", "10.0.0.7", "fe80::1"])
def test_names_and_addresses_stay(host: str) -> None:
    assert load_config(overrides=[f'device.mqtt.host="{host}"']).mqtt.host == host
