"""User name and password from files."""

from __future__ import annotations

from pathlib import Path

from device.config.schema import MqttConfig
from device.mqtt.credentials import user


def test_a_byte_order_mark_is_no_part_of_the_user_name(tmp_path: Path) -> None:
    (tmp_path / "user").write_bytes(b"\xef\xbb\xbfporch\r\n")
    assert user(MqttConfig(username_file=str(tmp_path / "user"))) == ("porch", None)
