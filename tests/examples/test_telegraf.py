"""examples/telegraf/telegraf.conf against schema, messages, and a Telegraf where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.examples.helpers import EXAMPLES
from tests.examples.sample_messages import LABELS, samples
from tests.examples.telegraf_points import CONFIG, INPUTS, parsers, point

SCHEMA: dict[str, Any] = json.loads((EXAMPLES.parent / "docs" / "events.schema.json").read_text(encoding="utf-8"))
MESSAGES = {"summary": "Summary", "events": "EmotionEvent", "health": "Health"}
INPUT_KEYS = {"servers", "topics", "topic_tag", "qos", "persistent_session", "client_id", "data_format", "json_v2"}
PARSER_KEYS = {"measurement_name", "timestamp_path", "timestamp_format", "tag", "field", "object"}
DATA_KEYS = {"path", "rename", "type", "optional"}
TYPES = {"int": {"integer"}, "float": {"number", "integer"}, "string": {"string"}, "bool": {"boolean"}}
TELEGRAF = shutil.which("telegraf")


def options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be: its schema without references and alternatives."""
    if "$ref" in schema:
        return options(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    return [found for one in schema["anyOf"] for found in options(one)] if "anyOf" in schema else [schema]


def found_at(message: str, path: str) -> tuple[list[dict[str, Any]], bool]:
    """What may stand at a path, and whether it may lead through null or a free key."""
    here, open_end = options({"$ref": f"#/$defs/{message}"}), False
    for key in path.split("."):
        open_end = open_end or any(one.get("type") == "null" for one in here)
        open_end = open_end or not any(key in one.get("required", ()) for one in here)
        inner = [
            one["properties"][key] if key in one.get("properties", {}) else one["additionalProperties"]
            for one in here
            if key in one.get("properties", {}) or isinstance(one.get("additionalProperties"), dict)
        ]
        assert inner, f"docs/events.schema.json: {message} has no {path}"
        here = [found for one in inner for found in options(one)]
    return here, open_end


def test_the_keys_are_those_of_the_plugin_and_each_channel_has_an_input() -> None:
    assert set(parsers()) == set(MESSAGES)
    for source in INPUTS:
        assert source.keys() <= INPUT_KEYS and source["data_format"] == "json_v2"
        for parser in source["json_v2"]:
            assert parser.keys() <= PARSER_KEYS
            assert all(one.keys() <= DATA_KEYS for kind in ("tag", "field", "object") for one in parser.get(kind, []))
    assert all("client_id" in source for source in INPUTS if source.get("persistent_session"))
    assert CONFIG["outputs"]["influxdb"] and CONFIG["processors"]["starlark"][0]["namepass"] == ["emotion_event"]


@pytest.mark.parametrize(
    ("channel", "kind", "data_set"),
    [
        (channel, kind, one)
        for channel, parser in parsers().items()
        for kind in ("tag", "field")
        for one in parser[kind]
    ],
)
def test_a_path_is_in_the_schema_with_its_type_and_optional_if_it_can_be_missing(
    channel: str, kind: str, data_set: dict[str, Any]
) -> None:
    here, open_end = found_at(MESSAGES[channel], data_set["path"])
    wanted = TYPES[data_set["type"] if kind == "field" else "string"]
    types = {one.get("type", "string") for one in here} - {"null"}  # a list of words has no type in the schema
    assert types and types <= wanted, (data_set, types)
    assert data_set.get("optional", False) == open_end, data_set


def test_the_labels_become_fields() -> None:
    for parser in parsers().values():
        for group in parser.get("object", []):
            (counts,), _ = found_at("Summary", group["path"])
            assert counts["additionalProperties"]["type"] == "integer"


@pytest.mark.parametrize(("channel", "payload"), samples(1_795_865_427.461))
def test_a_message_becomes_a_point(channel: str, payload: str) -> None:
    made = point(channel, payload)
    assert made.tags["device"] == "porch" and made.fields
    assert made.time_ns // 1_000_000 == 1_795_865_427_461


def test_values_of_a_full_message() -> None:
    full = {point(channel, payload).measurement: point(channel, payload) for channel, payload in samples()[::2]}
    summary = full["emotion_summary"].fields
    assert (summary["faces"], summary["positive"], summary["facing"], summary["happy"]) == (6, 0.4, 0.8, 5.0)
    assert set(LABELS) <= summary.keys()
    assert full["emotion_health"].fields["frame_p95_ms"] == 20.0
    alert = point(*samples()[3])
    assert alert.tags == {"device": "porch", "type": "attention", "alert": "drowsy", "phase": "start"}
    assert alert.time_ns != full["emotion_event"].time_ns, "two events of one moment are two points"


@pytest.mark.skipif(TELEGRAF is None, reason="telegraf is not installed")
def test_telegraf_accepts_the_config(tmp_path: Path) -> None:
    assert TELEGRAF is not None
    config = EXAMPLES / "telegraf" / "telegraf.conf"
    done = subprocess.run([TELEGRAF, "config", "check", "--config", config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
