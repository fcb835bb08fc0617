"""What Telegraf's json_v2 parser makes of a message, for the part of it that telegraf.conf uses."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import Any

from tests.examples.helpers import EXAMPLES

CONFIG = tomllib.loads((EXAMPLES / "telegraf" / "telegraf.conf").read_text(encoding="utf-8"))
INPUTS: list[dict[str, Any]] = CONFIG["inputs"]["mqtt_consumer"]
TYPES = {"int": int, "float": float, "string": str, "bool": bool}
ABSENT = object()


@dataclass(frozen=True)
class Point:
    """One point of InfluxDB."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Any]
    time_ns: int

    def line(self) -> str:
        """The point in InfluxDB's line protocol."""
        tags = "".join(f",{key}={value}" for key, value in self.tags.items())
        fields = ",".join(f"{key}={_written(value)}" for key, value in self.fields.items())
        return f"{self.measurement}{tags} {fields} {self.time_ns}"


def parsers() -> dict[str, dict[str, Any]]:
    """The parser of each channel: `summary`, `events`, `health`."""
    found = {}
    for source in INPUTS:
        (topic,), (parser,) = source["topics"], source["json_v2"]
        found[topic.rpartition("/")[2]] = parser
    return found


def name_of(data_set: dict[str, Any]) -> str:
    """The name of a field or tag."""
    return str(data_set.get("rename", data_set["path"].rpartition(".")[2]))


def at(message: Any, path: str) -> Any:
    """The value at a path; ABSENT if the path leads nowhere, as one through null does."""
    for key in path.split("."):
        if not isinstance(message, dict) or key not in message:
            return ABSENT
        message = message[key]
    return message


def point(channel: str, text: str) -> Point:
    """The point of a message; a path that leads nowhere and is not optional is an error."""
    parser, message = parsers()[channel], json.loads(text)

    def values(data_sets: list[dict[str, Any]]) -> dict[str, Any]:
        found = {}
        for data_set in data_sets:
            value = at(message, data_set["path"])
            assert value is not ABSENT or data_set.get("optional"), f"{channel}: Telegraf drops it: {data_set['path']}"
            if value is not ABSENT and value is not None:
                found[name_of(data_set)] = TYPES[data_set.get("type", "string")](value)
        return found

    fields = values(parser["field"])
    for group in parser.get("object", []):
        fields |= {key: float(value) for key, value in at(message, group["path"]).items()}
    assert parser["timestamp_format"] == "unix"
    shift_ns = fields["seq"] % 1_000_000 if channel == "events" else 0  # what the processor does
    time_ns = round(at(message, parser["timestamp_path"]) * 1000) * 1_000_000 + shift_ns
    return Point(parser["measurement_name"], values(parser["tag"]), fields, time_ns)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value}i" if isinstance(value, int) else repr(value)
