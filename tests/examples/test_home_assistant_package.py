"""examples/home-assistant/package.yaml against the discovery, and in a real Home Assistant."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from device.config.schema import load_config
from device.messages import AlertKind, ModelInfo
from device.mqtt.topics import Topics
from device.publishing import home_assistant
from device.publishing.reports import CameraReport
from device.publishing.status_reporter import build_status
from tests.examples.helpers import EXAMPLES
from tests.examples.sample_messages import LABELS

FILE = EXAMPLES / "home-assistant" / "package.yaml"
TEXT = FILE.read_text(encoding="utf-8")
PACKAGE: dict[str, Any] = yaml.safe_load(TEXT)
MODEL = ModelInfo(name="compact", version="3", digest="ab", labels=LABELS)
DEVICES = {"classroom-3": "education", "car": "driver"}


def discovered() -> dict[str, dict[str, Any]]:
    """The entities of the two devices, by the id that Home Assistant gives them."""
    found: dict[str, dict[str, Any]] = {}
    for device, purpose in DEVICES.items():
        settings = {"id": device, "purpose": purpose, "mqtt.host": "broker", "attention.enabled": "true"}
        config = load_config(overrides=[f"device.{key}={value}" for key, value in settings.items()])
        status = build_status(config, MODEL, CameraReport("running"))
        entities = home_assistant.payload(config, Topics(config), status)["cmps"]
        found |= {one["default_entity_id"]: one for name, one in entities.items() if "default_entity_id" in one}
    return found


def own() -> set[str]:
    """The entities that the package makes itself."""
    names = [sensor["name"] for sensor in PACKAGE["binary_sensor"]]
    return {f"binary_sensor.{name.lower().replace(' ', '_')}" for name in names}


def entity_ids(value: Any) -> set[str]:
    """Every entity id under a key `entity_id`."""
    if isinstance(value, list):
        return set().union(*map(entity_ids, value))
    if not isinstance(value, dict):
        return set()
    named = value.get("entity_id", [])
    return {*([named] if isinstance(named, str) else named)}.union(*map(entity_ids, value.values()))


def test_each_entity_is_one_of_the_discovery_or_of_the_package() -> None:
    used = entity_ids(PACKAGE)
    assert len(used) >= 7
    assert used <= set(discovered()) | own()
    in_text = set(re.findall(r"\b(?:sensor|binary_sensor|event)\.[a-z0-9_]+", TEXT))
    assert in_text <= used, "also in templates"


def test_each_sensor_of_the_package_is_used_and_watches_a_percentage() -> None:
    automations = entity_ids(PACKAGE["automation"])
    assert own() <= automations
    for sensor in PACKAGE["binary_sensor"]:
        assert discovered()[sensor["entity_id"]]["unit_of_measurement"] == "%"
        assert sensor["platform"] == "threshold" and sensor["hysteresis"] > 0


def test_the_kinds_of_alerts_are_those_that_the_device_sends() -> None:
    (driver,) = (one for one in PACKAGE["automation"] if one["id"] == "emotion_edge_driver_alert")
    (condition,) = driver["conditions"]
    template = condition["value_template"]
    kinds = set(re.findall(r"'([a-z_]+)'", template)) - {"start"}
    event = discovered()["event.emotion_edge_car_alert"]
    assert kinds and kinds <= set(event["event_types"]) == set(AlertKind.__args__)  # type: ignore[attr-defined]
    read = set(re.findall(r"to_state\.attributes\.(\w+)", template)) - {"event_type"}
    assert all(f"'{name}'" in event["value_template"] for name in read)


def test_ids_are_unique() -> None:
    ids = [automation["id"] for automation in PACKAGE["automation"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("homeassistant") is None, reason="the package homeassistant is missing")
def test_home_assistant_finds_no_mistake_in_it(tmp_path: Path) -> None:
    """Its exit code is 0 also for a bad configuration, so what it prints counts."""
    (tmp_path / "packages").mkdir()
    shutil.copy(FILE, tmp_path / "packages" / "emotion_edge.yaml")
    (tmp_path / "configuration.yaml").write_text("homeassistant:\n  packages: !include_dir_named packages\n")
    line = [sys.executable, "-m", "homeassistant", "--script", "check_config", "-c", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=150)
    assert "Testing configuration" in done.stdout
    assert not re.search("ERROR|Incorrect|Invalid|Failed", done.stdout + done.stderr), done.stdout + done.stderr
