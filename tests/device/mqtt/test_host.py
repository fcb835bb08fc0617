"""device.mqtt.host must be a host name: what other programs take in its place is refused with the
right settings.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from device.config.schema import MqttConfig
from device.errors import ConfigError
from device.mqtt.connection import check_host
from device.mqtt.credentials import user


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("mqtt://hub.local:1884", "host: hub.local, port: 1884, tls: false"),
        ("mqtts://hub.local", "host: hub.local, port: 8883, tls: true"),
        ("tcp://someone:secret@10.1.2.3/", "host: 10.1.2.3, port: 1883, tls: false"),
        ("hub.local:8883", "host: hub.local, port: 8883, tls: false"),
    ],
)
def test_a_url_is_refused_with_the_right_settings(host: str, settings: str) -> None:
    with pytest.raises(ConfigError, match=f"must be a host name alone; write {settings}") as caught:
        check_host(MqttConfig(host=host))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["hub.local", "10.1.2.3", "::1", "fe80::1", None])
def test_names_and_addresses_are_accepted(host: str | None) -> None:
    check_host(MqttConfig(host=host))


def test_a_byte_order_mark_is_not_part_of_the_user_name(tmp_path: Path) -> None:
    (tmp_path / "user").write_bytes(b"\xef\xbb\xbfporch\r\n")
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfsecret\r\n")
    config = MqttConfig(username_file=str(tmp_path / "user"), password_file=str(tmp_path / "password"))
    assert user(config) == ("porch", "secret")
