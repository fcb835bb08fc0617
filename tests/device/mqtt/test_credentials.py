"""User name and password from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device.config.schema import MqttConfig, load_config
from device.errors import ConfigError
from device.mqtt.credentials import tls, user
from tests.support.files import LONG_NAME


def test_a_byte_order_mark_is_no_part_of_the_user_name(tmp_path: Path) -> None:
    (tmp_path / "user").write_bytes(b"\xef\xbb\xbfporch\r\n")
    assert user(MqttConfig(username_file=str(tmp_path / "user"))) == ("porch", None)


def test_a_null_byte_in_a_user_name_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "user").write_bytes(b"po\0rch\n")
    with pytest.raises(ConfigError, match="its first line contains a null byte"):
        user(MqttConfig(username_file=str(tmp_path / "user")))


@pytest.mark.parametrize("key", ["ca_file", "cert_file", "key_file"])
def test_a_pipe_as_a_certificate_does_not_block(tmp_path: Path, key: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "cert").write_text("not read before the check")
    files = {"cert_file": str(tmp_path / "cert"), key: str(tmp_path / "pipe")}
    config = load_config(overrides=["device.mqtt.tls=true", *(f"device.mqtt.{k}={v}" for k, v in files.items())]).mqtt
    with pytest.raises(ConfigError, match=rf"device\.mqtt\.{key}: .* it is not a regular file"):
        tls(config)


def test_a_certificate_that_cannot_be_looked_at_is_a_sentence() -> None:
    config = load_config(overrides=["device.mqtt.tls=true", f"device.mqtt.ca_file={LONG_NAME}"]).mqtt
    with pytest.raises(ConfigError, match=r"^device\.mqtt\.ca_file: x+\.png: the file cannot be read: File name too"):
        tls(config)
