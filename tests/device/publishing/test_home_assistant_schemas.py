"""Home Assistant's own schemas, from its package where that is installed, read what we announce."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

import pytest

from device.config.schema import load_config
from device.messages import ModelInfo
from device.mqtt.topics import Topics
from device.publishing import home_assistant
from device.publishing.reports import CameraReport
from device.publishing.status_reporter import build_status

pytest.importorskip("homeassistant", reason="the package homeassistant (Python 3.13 and later) is not installed")

CONFIG = load_config(overrides=["device.id=Front-Door", "device.mqtt.host=broker", "device.attention.enabled=true"])
MODEL = ModelInfo(name="compact", version="3", digest="ab", labels=("happy", "sad"))


def announced() -> dict[str, Any]:
    """The payload as Home Assistant has it after its own check: abbreviations spelt out."""
    (message,) = home_assistant.messages(CONFIG, Topics(CONFIG), build_status(CONFIG, MODEL, CameraReport("running")))
    theirs = importlib.import_module("homeassistant.components.mqtt.discovery")
    payload = theirs._parse_device_payload(None, message.payload, "Front-Door", None)
    assert payload, "the log tells what Home Assistant does not like"
    return dict(payload)


def component(payload: dict[str, Any], name: str) -> dict[str, Any]:
    """One entity as its platform receives it: with device, origin and shared keys."""
    theirs = importlib.import_module("homeassistant.components.mqtt.discovery")
    config = dict(payload["components"][name]) | {key: payload[key] for key in ("device", "origin")}
    theirs._merge_common_device_options(config, payload)
    return config


def accepted(platform: str, config: dict[str, Any]) -> dict[str, Any]:
    """What the platform makes of the entity; templates are read inside a Home Assistant."""
    core = importlib.import_module("homeassistant.core")
    schema = importlib.import_module(f"homeassistant.components.mqtt.{platform}").DISCOVERY_SCHEMA

    async def inside() -> dict[str, Any]:
        hass = core.HomeAssistant("")
        try:
            return dict(schema(config))
        finally:
            await hass.async_stop(force=True)

    return asyncio.run(inside())


def test_the_announcement_is_a_device() -> None:
    payload = announced()
    assert payload["device"]["identifiers"] == ["emotion_edge_Front-Door"]
    assert payload["components"].keys() >= {"event", "alert", "attention", "faces", "mood", "camera", "storage", "fps"}


@pytest.mark.parametrize(
    "name",
    home_assistant.payload(CONFIG, Topics(CONFIG), build_status(CONFIG, MODEL, CameraReport("running")))["cmps"].keys()
    - home_assistant.REMOVED.keys(),
)
def test_each_entity_is_one_of_its_platform_and_no_key_is_unknown_there(name: str) -> None:
    config = component(announced(), name)
    platform = config.pop("platform")
    assert config.keys() <= accepted(platform, config).keys(), (
        "a key that the schema does not know is removed without a word"
    )


def test_a_wrong_announcement_would_be_told_from_a_right_one() -> None:
    volume = importlib.import_module("voluptuous")
    config = component(announced(), "fps")
    for wrong in ({"state_class": "sometimes"}, {"state_topic": "a/#/b"}, {"expire_after": "soon"}):
        with pytest.raises(volume.Invalid):
            accepted(config["platform"], config | wrong)
    payload = json.loads(json.dumps(announced()))
    del payload["origin"]
    theirs = importlib.import_module("homeassistant.components.mqtt.discovery")
    assert not theirs._parse_device_payload(None, json.dumps(payload), "Front-Door", None)
