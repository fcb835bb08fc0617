"""Home Assistant discovery: every entity, sent again whenever Home Assistant starts.

One payload, or several where the broker takes no packet as large; the same identifiers make them
one device.
"""

from __future__ import annotations

import json
from typing import Any

from device.config.schema import DeviceConfig
from device.messages import Status
from device.mqtt.connection import packet_bytes
from device.mqtt.topics import AVAILABILITY, OFFLINE, ONLINE, Message, Topics, checked
from device.publishing.home_assistant_entities import entities, left_out

MAX_PARTS = 99
OPTIONAL = ("icon", "json_attributes_topic", "json_attributes_template")
REMOVED = {"pause": "button", "resume": "button"}  # entities of earlier versions, by platform


def birth_topic(config: DeviceConfig) -> str | None:
    """Where Home Assistant publishes that it has started; None if discovery is off.

    Raises:
        ConfigError: device.mqtt.discovery_prefix cannot be part of a topic.
    """
    prefix = config.mqtt.discovery_prefix
    return f"{checked('discovery_prefix', prefix)}/status" if prefix is not None else None


def messages(config: DeviceConfig, topics: Topics, status: Status, max_bytes: int | None = None) -> list[Message]:
    """The discovery messages, retained, QoS 1; none if discovery is off.

    Args:
        config, topics, status: of the device.
        max_bytes: the largest packet that the broker takes; None for any. What is larger is divided
            by entities, and an entity that is larger by itself goes without what it can do without.
    """
    if config.mqtt.discovery_prefix is None:
        return []
    whole = payload(config, topics, status)

    def fits(part: dict[str, Any]) -> bool:
        return max_bytes is None or packet_bytes(_message(config, topics, part, MAX_PARTS)) <= max_bytes

    parts: list[dict[str, Any]] = []
    for name, entity in whole["cmps"].items():
        alone = whole | {"cmps": {name: entity}}
        larger = parts[-1] | {"cmps": {**parts[-1]["cmps"], name: entity}} if parts else alone
        if parts and fits(larger):
            parts[-1] = larger
        else:
            parts.append(alone if fits(alone) else whole | {"cmps": {name: _shortened(entity)}})
    return [_message(config, topics, part, number) for number, part in enumerate(parts, 1)]


def config_topic(prefix: str, device: str, number: int = 1) -> str:
    """The topic of a discovery message; the first has no number."""
    return f"{prefix}/device/{device}/config" if number == 1 else f"{prefix}/device/{device}/{number}/config"


def _shortened(entity: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entity.items() if key not in OPTIONAL}


def _message(config: DeviceConfig, topics: Topics, part: dict[str, Any], number: int) -> Message:
    topic = config_topic(config.mqtt.discovery_prefix or "", topics.device, number)
    return Message(topic, json.dumps(part, separators=(",", ":")), qos=1, retain=True)


def payload(config: DeviceConfig, topics: Topics, status: Status) -> dict[str, Any]:
    """Device, origin and components, in the form of Home Assistant's device-based discovery."""
    return {
        "dev": {
            "identifiers": [f"emotion_edge_{topics.device}"],
            "name": f"Emotion Edge {topics.device}",
            "manufacturer": "emotion-edge",
            "model": f"{status.model.name} {status.model.version}",
            "sw_version": status.version,
        },
        "o": {"name": "emotion-edge", "sw_version": status.version},
        "cmps": {
            name: {
                **entity,
                "unique_id": f"emotion_edge_{topics.device}_{name}",
                "default_entity_id": f"{entity['platform']}.emotion_edge_{topics.device}_{name}".lower().replace(
                    "-", "_"
                ),
            }
            for name, entity in entities(config, topics, status.model.labels).items()
        }
        | left_out(config, topics, status.model.labels)
        | {name: {"platform": platform} for name, platform in REMOVED.items()},
        "availability_topic": topics.of(AVAILABILITY),
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
    }
