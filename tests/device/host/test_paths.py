"""The folders that the device uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.config.schema import load_config
from device.errors import NoHomeError
from device.host.paths import state_dir
from device.inference.classifier import PROFILES
from device.model_registry.registry import model_path


def test_the_state_folder_comes_from_the_config_then_systemd_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pi")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/emotion-device:/elsewhere")
    assert state_dir(load_config(overrides=["device.state_dir=~/mine"])) == Path("/home/pi/mine")
    assert state_dir(load_config()) == Path("/var/lib/emotion-device")
    monkeypatch.delenv("STATE_DIRECTORY")
    assert state_dir(load_config()) == Path("/home/pi/.local/state/emotion-edge")


def test_without_a_home_folder_only_the_state_folder_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user whom no passwd entry names
    with pytest.raises(NoHomeError, match=r"set device\.state_dir"):
        state_dir(load_config())
    assert state_dir(load_config(overrides=["device.state_dir=/data"])) == Path("/data")
    assert model_path(load_config()) in PROFILES.values()
