"""The entities of Home Assistant, and the templates that read our messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.messages import UNKNOWN, AlertKind
from device.mqtt.topics import EVENTS, HEALTH, STATUS, SUMMARY, SWITCH, SWITCH_OFF, SWITCH_ON, Topics

NOBODY = "nobody"

# The most frequent emotion; alphabetical order decides a tie.
MOOD = (
    "{{ ((value_json.counts | dictsort | sort(attribute='1', reverse=true) | first)[0])"
    f" if value_json.faces else '{NOBODY}' }}}}"
)
# Home Assistant ignores an empty text: each of the two event entities leaves the other's to it.
EVENT = (
    "{% if not value_json.alert %}"
    "{{ {'event_type': value_json.type, 'emotion': value_json.emotion, 'previous': value_json.previous,"
    " 'confidence': value_json.confidence, 'track': value_json.track, 'seq': value_json.seq,"
    " 'replayed': value_json.replayed, 'valence': value_json.valence} | tojson }}{% endif %}"
)
ALERT = (
    "{% if value_json.alert %}"
    "{{ {'event_type': value_json.alert.kind, 'phase': value_json.alert.phase,"
    " 'duration_s': value_json.alert.duration_s, 'track': value_json.track, 'seq': value_json.seq,"
    " 'replayed': value_json.replayed} | tojson }}{% endif %}"
)
MOOD_BALANCE = "value_json.valence.positive - value_json.valence.negative if value_json.valence else none"

# Faces by label. Home Assistant stores each change of an attribute, so these change with the number
# of faces, else at most once in ten seconds.
ATTRIBUTES = (
    "{% set now_there = {'counts': value_json.counts} %}"
    "{% set same = this.state == value_json.faces | string and 'counts' in this.attributes %}"
    "{% set fresh = same and (now() - this.last_updated).total_seconds() < 10 %}"
    "{{ ({'counts': this.attributes.counts} if fresh else now_there) | tojson }}"
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


def entities(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Every entity by name: people, the camera's switch, diagnostics."""
    people = _faces(topics, labels) | (_attention(topics) if config.attention.enabled else {})
    if usage_policy.aggregate(config):
        people = _of_groups(people, config.report.summary_s)
    return {**people, **_switch(topics), **_from_status(topics), **_from_health(topics, 3 * config.report.health_s)}


def left_out(config: DeviceConfig, topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The entities that other settings would have, only with their platforms.

    Home Assistant then removes those that it made when the settings were others.
    """
    known = entities(config, topics, labels)
    people = _faces(topics, labels) | _attention(topics)
    return {name: {"platform": entity["platform"]} for name, entity in people.items() if name not in known}


def _switch(topics: Topics) -> dict[str, dict[str, Any]]:
    """`pause` and `resume` as one switch, which in Home Assistant has one topic."""
    return {
        "camera_switch": {
            "platform": "switch",
            "name": "Camera",
            "icon": "mdi:cctv",
            "command_topic": topics.of(SWITCH),
            "payload_on": SWITCH_ON,
            "payload_off": SWITCH_OFF,
            "state_topic": topics.of(STATUS),
            "value_template": "{{ 'OFF' if value_json.camera == 'paused' else 'ON' }}",
            "state_on": "ON",
            "state_off": "OFF",
            "qos": SWITCH.qos,
        }
    }


def _of_groups(people: dict[str, dict[str, Any]], summary_s: float) -> dict[str, dict[str, Any]]:
    """Without events and alerts of single faces, and without occupancy.

    Occupancy would tell one face from none. Values expire, because nothing is published of too
    small a group.
    """
    expiry = {"expire_after": max(1, round(3 * summary_s))}
    single = ("event", "alert", "occupancy")
    return {name: entity | expiry for name, entity in people.items() if name not in single}


def _faces(topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Events, occupancy, number of faces, most frequent emotion, mood."""
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
        "occupancy": {
            "platform": "binary_sensor",
            "name": "Occupancy",
            "device_class": "occupancy",
            "state_topic": topics.of(SUMMARY),
            "value_template": "{{ 'ON' if value_json.faces else 'OFF' }}",
        },
        "faces": {
            "platform": "sensor",
            "name": "Faces",
            "icon": "mdi:account-multiple",
            "unit_of_measurement": "faces",
            "state_topic": topics.of(SUMMARY),
            "value_template": "{{ value_json.faces }}",
            "state_class": "measurement",
            "json_attributes_topic": topics.of(SUMMARY),
            "json_attributes_template": ATTRIBUTES,
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
        "valence": _percentage(topics, "Mood", "mdi:emoticon-neutral-outline", MOOD_BALANCE),
    }


def _attention(topics: Topics) -> dict[str, dict[str, Any]]:
    """Alerts of single faces, and means and shares over all faces."""
    return {
        "alert": {
            "platform": "event",
            "name": "Alert",
            "icon": "mdi:bell-alert-outline",
            "state_topic": topics.of(EVENTS),
            "event_types": list(get_args(AlertKind)),
            "value_template": ALERT,
            "qos": EVENTS.qos,
        },
        "attention": _share(topics, "Attention", "mdi:eye-check-outline", "facing"),
        "looking_away": _share(topics, "Looking away", "mdi:eye-arrow-right-outline", "looking_away"),
        "eyes_closed": _share(topics, "Eyes closed", "mdi:eye-off-outline", "eyes_closed"),
        "yawning": _share(topics, "Yawning", "mdi:sleep", "yawning"),
    }


def _share(topics: Topics, name: str, icon: str, key: str) -> dict[str, Any]:
    return _percentage(topics, name, icon, f"(value_json.attention or {{}}).get('{key}')")


def _percentage(topics: Topics, name: str, icon: str, value: str) -> dict[str, Any]:
    """A value of the summary in steps of five, because Home Assistant stores each change.

    Args:
        value: expression of the template, -1 to 1, or none if it is not known.
    """
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "unit_of_measurement": "%",
        "state_topic": topics.of(SUMMARY),
        "value_template": f"{{% set value = {value} %}}"
        "{{ (20 * value) | round | int * 5 if value is not none else none }}",
        "state_class": "measurement",
    }


def _from_status(topics: Topics) -> dict[str, dict[str, Any]]:
    """Diagnostics that `status` carries: the camera, and the model as an update."""
    return {
        "camera": {
            "platform": "binary_sensor",
            "name": "Camera running",
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
            "icon": "mdi:speedometer-slow",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.throttling and value_json.throttling.now else 'OFF' }}",
            **health,
        },
        "storage": {
            "platform": "binary_sensor",
            "name": "Storage",
            "icon": "mdi:sd",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.outbox.trouble else 'OFF' }}",
            **health,
        },
        "fps": {
            "name": "Frame rate",
            "icon": "mdi:filmstrip",
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
        "waiting": {
            "name": "Events waiting",
            "icon": "mdi:tray-full",
            "value_template": "{{ value_json.outbox.depth }}",
            "unit_of_measurement": "events",
            **measured,
        },
        "dropped": {
            "name": "Events dropped",
            "icon": "mdi:tray-remove",
            "value_template": "{{ value_json.outbox.dropped }}",
            "unit_of_measurement": "events",
            **measured,
            "state_class": "total_increasing",
        },
    }
