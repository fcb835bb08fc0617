"""The digest of the settings in force."""

from __future__ import annotations

from device.config.schema import DeviceConfig, config_digest, load_config


def test_equal_settings_have_equal_digests() -> None:
    assert config_digest(load_config(overrides=["device.mqtt.port=1883"])) == config_digest(DeviceConfig())
    assert config_digest(load_config(overrides=["device.mqtt.port=1884"])) != config_digest(DeviceConfig())
