"""Home Assistant discovery: one payload with every entity, sent again whenever Home Assistant
starts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.messages import UNKNOWN, Status
from device.mqtt.topics import (
    AVAILABILITY,
    EVENTS,
    HEALTH,
    OFFLINE,
    ONLINE,
    REQUEST,
    STATUS,
    SUMMARY,
    Message,
    Topics,
    checked,
)

NOBODY = "nobody"

# The most frequent emotion; alphabetical order decides a tie.
MOOD = (
    "{{ ((value_json.counts | dictsort | sort(attribute='1', reverse=true) | first)[0])"
    f" if value_json.faces else '{NOBODY}' }}}}"
)
EVENT = (
    "{{ {'event_type': value_json.type, 'emotion': value_json.emotion, 'previous': value_json.previous,"
    " 'confidence': value_json.confidence, 'track': value_json.track, 'seq': value_json.seq,"
    " 'replayed': value_json.replayed, 'valence': value_json.valence} | tojson }}"
)

# A model on trial is in progress. A refused or rolled back one is not available; the summary has
# the reason.
MODEL = (
    "{% macro named(model) %}{{ model.version }} ({{ model.digest[:8] }}){% endmacro %}"
    "{% set update = value_json.model_update %}"
    "{% set trial = update is not none and update.state == 'trial' %}"
    "{{ {'title': value_json.model.name, 'in_progress': trial,"
    " 'installed_version': named(update.old if trial else value_json.model),"
    " 'latest_version': named(update.new if trial else value_json.model),"
    " 'release_summary': ((update.state ~ ': ' ~ update.reason)[:255] if update is not none and update.reason"
    " else '')} | tojson }}"
)


def birth_topic(config: DeviceConfig) -> str | None:
    """Where Home Assistant publishes that it has started; None if discovery is off.

    Raises:
        ConfigError: device.mqtt.discovery_prefix cannot be part of a topic.
    """
    prefix = config.mqtt.discovery_prefix
    return f"{checked('discovery_prefix', prefix)}/status" if prefix is not None else None


def message(config: DeviceConfig, topics: Topics, status: Status) -> Message | None:
    """The discovery message, retained, QoS 1; None if discovery is off."""
    if config.mqtt.discovery_prefix is None:
        return None
    topic = f"{config.mqtt.discovery_prefix}/device/{topics.device}/config"
    return Message(topic, json.dumps(payload(config, topics, status)), qos=1, retain=True)


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
            for name, entity in _entities(config, topics, status.model.labels).items()
        },
        "availability_topic": topics.of(AVAILABILITY),
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
    }


def _entities(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    people = _groups(config, topics, labels) if usage_policy.aggregate(config) else _faces(topics, labels)
    return {**people, **_buttons(topics), **_from_status(topics), **_from_health(topics, 3 * config.report.health_s)}


def _buttons(topics: Topics) -> dict[str, dict[str, Any]]:
    """Commands as buttons."""
    return {
        verb: {
            "platform": "button",
            "name": f"{verb.capitalize()} camera",
            "icon": f"mdi:{icon}",
            "command_topic": topics.of(REQUEST, verb=verb),
            "payload_press": "{}",
            "qos": REQUEST.qos,
        }
        for verb, icon in (("pause", "eye-off"), ("resume", "eye"))
    }


def _groups(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Without events of single faces.

    Values expire, because nothing is published of too small a group.
    """
    entities = _faces(topics, labels)
    del entities["event"]
    expiry = {"expire_after": max(1, round(3 * config.report.summary_s))}
    return {name: entity | expiry for name, entity in entities.items()}


def _faces(topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Events, number of faces, most frequent emotion."""
    return {
        "event": {
            "platform": "event",
            "name": "Expression",
            "icon": "mdi:face-recognition",
            "state_topic": topics.of(EVENTS),
            "event_types": ["start", "update", "end"],
            "value_template": EVENT,
            "qos": EVENTS.qos,
        },
        "faces": {
            "platform": "sensor",
            "name": "Faces",
            "icon": "mdi:account-multiple",
            "state_topic": topics.of(SUMMARY),
            "value_template": "{{ value_json.faces }}",
            "state_class": "measurement",
            "json_attributes_topic": topics.of(SUMMARY),
        },
        "mood": {
            "platform": "sensor",
            "name": "Most frequent expression",
            "icon": "mdi:emoticon-outline",
            "state_topic": topics.of(SUMMARY),
            "value_template": MOOD,
            "device_class": "enum",
            "options": [*labels, UNKNOWN, NOBODY],
        },
    }


def _from_status(topics: Topics) -> dict[str, dict[str, Any]]:
    """Diagnostics that `status` carries: the camera, and the model as an update."""
    return {
        "camera": {
            "platform": "binary_sensor",
            "name": "Camera",
            "device_class": "running",
            "entity_category": "diagnostic",
            "state_topic": topics.of(STATUS),
            "value_template": "{{ 'ON' if value_json.camera == 'running' else 'OFF' }}",
        },
        "model": {
            "platform": "update",
            "name": "Model",
            "icon": "mdi:brain",
            "entity_category": "diagnostic",
            "state_topic": topics.of(STATUS),
            "value_template": MODEL,
            # The reason again: older versions of Home Assistant keep the first summary they
            # received.
            "json_attributes_topic": topics.of(STATUS),
            "json_attributes_template": "{{ (value_json.model_update or {}) | tojson }}",
        },
    }


def _from_health(topics: Topics, expire_after_s: float) -> dict[str, dict[str, Any]]:
    """Diagnostics that `health` carries; they expire, because a device that hangs sends none."""
    health = {"state_topic": topics.of(HEALTH), "entity_category": "diagnostic", "expire_after": round(expire_after_s)}
    measured = {"platform": "sensor", "state_class": "measurement", **health}
    return {
        "throttled": {
            "platform": "binary_sensor",
            "name": "Throttled",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.throttling and value_json.throttling.now else 'OFF' }}",
            **health,
        },
        "storage": {
            "platform": "binary_sensor",
            "name": "Storage",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.outbox.trouble else 'OFF' }}",
            **health,
        },
        "fps": {
            "name": "Frame rate",
            "value_template": "{{ value_json.fps }}",
            "unit_of_measurement": "fps",
            **measured,
        },
        "temperature": {
            "name": "Processor temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature_c }}",
            **measured,
        },
        "waiting": {"name": "Events waiting", "value_template": "{{ value_json.outbox.depth }}", **measured},
        "dropped": {"name": "Events dropped", "value_template": "{{ value_json.outbox.dropped }}", **measured},
    }
