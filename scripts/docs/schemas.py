"""Write events.schema.json, asyncapi.yaml and the tables of events.md from the message types.

Run it after changing one.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from device.config.schema import DeviceConfig
from device.messages import Answer, EmotionEvent, Health, Request, Status, Summary, TrackState
from device.mqtt.topics import CHANNELS, Channel
from device.publishing.command_router import STATUS_VERB
from device.service.command_handler import COMMANDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA, ASYNCAPI, PAGE = DOCS / "events.schema.json", DOCS / "asyncapi.yaml", DOCS / "events.md"
MESSAGES: tuple[type, ...] = (EmotionEvent, TrackState, Summary, Health, Status, Request, Answer)
PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean"}


def json_schema() -> str:
    """What docs/events.schema.json should hold."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What an emotion-edge device says over MQTT",
        "description": "Made by scripts/docs/schemas.py from device/messages/. "
        "Which message travels where: docs/events.md.",
        "anyOf": [{"$ref": f"#/$defs/{cls.__name__}"} for cls in MESSAGES],
        "$defs": _definitions("#/$defs/"),
    }
    return json.dumps(document, indent=2) + "\n"


def asyncapi() -> str:
    """What docs/asyncapi.yaml should hold."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "emotion-edge device",
            "version": "1.0.0",
            "description": "Made by scripts/docs/schemas.py from device/messages/ and device/mqtt/topics.py.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"{_side(channel)}_{channel.name}": _operation(channel) for channel in CHANNELS},
        "components": {"schemas": _definitions("#/components/schemas/")},
    }
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def page() -> str:
    """What docs/events.md should hold: as it is, each table between its marks made anew."""
    known = {name: schema["properties"] for name, schema in _definitions("").items()}

    def fields(mark: re.Match[str]) -> str:
        tables = [_table(name, known[name]) for name in mark[1].split(", ")]
        return f"<!-- fields: {mark[1]} -->\n" + "\n".join(tables) + "<!-- end -->"

    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"<!-- fields: (.*?) -->.*?<!-- end -->", fields, text, flags=re.DOTALL)


def _table(name: str, properties: dict[str, Any]) -> str:
    rows = "".join(f"| `{field}` | {_words(value)} | {value['description']} |\n" for field, value in properties.items())
    return f"| {name} | | |\n|---|---|---|\n{rows}"


def _words(schema: dict[str, Any]) -> str:
    """A value's type, for a table."""
    if not schema:
        return "anything"
    if "anyOf" in schema:
        return f"{_words(schema['anyOf'][0])} or null"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "$ref" in schema:
        return str(schema["$ref"])
    if schema["type"] == "array":
        return f"list of {_words(schema['items'])}s"
    if schema["type"] == "object":
        return f"object: name to {_words(schema['additionalProperties'])}"
    limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return " ".join([schema["type"], *limits])


def _definitions(ref: str) -> dict[str, Any]:
    """Every message type and every type inside one, by name."""
    found: dict[str, Any] = {}
    todo = list(MESSAGES)
    while todo:
        cls = todo.pop(0)
        if cls.__name__ not in found:
            found[cls.__name__] = _object(cls, ref, todo)
    return found


def _object(cls: type, ref: str, todo: list[type]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    return {
        "type": "object",
        "description": (cls.__doc__ or "").splitlines()[0],
        "properties": {
            field.name: {"description": field.metadata["doc"], **_value(hints[field.name], field, ref, todo)}
            for field in fields
        },
        # More may come in later versions, none goes.
        "required": [field.name for field in fields if not field.metadata["optional"]],
    }


def _value(hint: Any, field: dataclasses.Field[Any], ref: str, todo: list[type]) -> dict[str, Any]:
    """The schema of one value; nested dataclasses are appended to `todo`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return {}
    if dataclasses.is_dataclass(hint):
        todo.append(typing.cast(type, hint))
        return {"$ref": f"{ref}{typing.cast(type, hint).__name__}"}
    if origin is typing.Literal:
        return {"type": "string", "enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        inner = next(a for a in args if a is not type(None))
        return {"anyOf": [_value(inner, field, ref, todo), {"type": "null"}]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _value(args[1], field, ref, todo)}
    if origin is tuple:
        length = {} if args[-1] is Ellipsis else {"minItems": len(args), "maxItems": len(args)}
        return {"type": "array", "items": _value(args[0], field, ref, todo), **length}
    whole = hint is float and field.metadata["digits"] == 0
    bounds = {"minimum": field.metadata["ge"], "maximum": field.metadata["le"]}
    limits = {name: bound for name, bound in bounds.items() if bound is not None and hint in (int, float)}
    return {"type": "integer" if whole else PLAIN[hint], **limits}


def _channel(channel: Channel) -> dict[str, Any]:
    names = ["base", "device", *(name for name in ("track", "verb") if f"{{{name}}}" in channel.address)]
    meaning = {
        "base": {"description": "device.mqtt.base_topic", "default": DeviceConfig().mqtt.base_topic},
        "device": {"description": "device.id, or the host's name"},
        "track": {"description": "which face"},
        "verb": {"description": "what to do", "enum": sorted((*COMMANDS, STATUS_VERB))},
    }
    return {
        "address": f"{{base}}/{{device}}/{channel.address}",
        "description": channel.doc,
        "parameters": {name: meaning[name] for name in names},
        "messages": {channel.name: _message(channel)},
    }


def _message(channel: Channel) -> dict[str, Any]:
    if isinstance(channel.payload, tuple):
        return {"contentType": "text/plain", "payload": {"type": "string", "enum": list(channel.payload)}}
    if channel.payload is str:
        return {"contentType": "text/plain", "payload": {"type": "string"}}
    return {"payload": {"$ref": f"#/components/schemas/{channel.payload.__name__}"}}


def _side(channel: Channel) -> str:
    return "hear" if channel.subscribed else "say"


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": "receive" if channel.subscribed else "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }


if __name__ == "__main__":
    SCHEMA.write_text(json_schema(), encoding="utf-8")
    ASYNCAPI.write_text(asyncapi(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {SCHEMA.name}, {ASYNCAPI.name}, {PAGE.name}")
