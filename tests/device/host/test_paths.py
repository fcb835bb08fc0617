"""The folders that the device uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.config.schema import load_config
from device.host.paths import state_dir


def test_the_state_folder_comes_from_the_config_then_systemd_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pi")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/emotion-device:/elsewhere")
    assert state_dir(load_config(overrides=["device.state_dir=~/mine"])) == Path("/home/pi/mine")
    assert state_dir(load_config()) == Path("/var/lib/emotion-device")
    monkeypatch.delenv("STATE_DIRECTORY")
    assert state_dir(load_config()) == Path("/home/pi/.local/state/emotion-edge")
