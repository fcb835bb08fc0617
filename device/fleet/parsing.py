"""Parses the messages of boards, which may be damaged, forged or of another version.

Nothing here raises. Only fields that the report shows or the health rules evaluate are parsed. A
field that is absent or of the wrong type is None; text is made safe for a terminal.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 160  # characters
MAX_PAYLOAD = 100_000  # bytes; a status has about 1,000


@dataclass(frozen=True)
class Status:
    """The parsed part of a `status` message; `device fleet --json` prints these fields."""

    version: str | None
    model: str | None  # name and version
    digest: str | None  # sha256 of the network's file
    camera: str | None
    camera_error: str | None
    config_error: str | None
    update: str | None  # result of the last model update: state, name and reason


@dataclass(frozen=True)
class Health:
    """The parsed part of a `health` message; `device fleet --json` prints these fields."""

    uptime_s: float | None
    fps: float | None
    p95_ms: float | None  # of a whole frame
    last_frame_age_s: float | None
    temperature_c: float | None
    throttled: tuple[str, ...]
    throttled_before: tuple[str, ...]  # at any time since boot
    depth: int | None  # events in the outbox
    oldest_age_s: float | None
    dropped: int | None  # events dropped since the state folder exists
    trouble: str | None  # why the state folder cannot be written


def to_object(payload: bytes) -> dict[str, Any] | None:
    """Parse a payload that is a JSON object; None for all else."""
    if len(payload) > MAX_PAYLOAD:
        return None
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested too deeply
        return None
    return value if isinstance(value, dict) else None


def to_status(message: dict[str, Any]) -> Status:
    """Parse a status message."""
    model = _part(message, "model")
    return Status(
        version=text(message.get("version")),
        model=_name(model),
        digest=text(model.get("digest")),
        camera=text(message.get("camera")),
        camera_error=text(message.get("camera_error")),
        config_error=text(message.get("config_error")),
        update=_update(_part(message, "model_update")),
    )


def to_health(message: dict[str, Any]) -> Health:
    """Parse a health message."""
    throttling, outbox = _part(message, "throttling"), _part(message, "outbox")
    return Health(
        uptime_s=number(message.get("uptime_s")),
        fps=number(message.get("fps")),
        p95_ms=number(_part(_part(message, "stages"), "total").get("p95_ms")),
        last_frame_age_s=number(message.get("last_frame_age_s")),
        temperature_c=number(message.get("temperature_c")),
        throttled=_words(throttling.get("now")),
        throttled_before=_words(throttling.get("since_boot")),
        depth=_count(outbox.get("depth")),
        oldest_age_s=number(outbox.get("oldest_age_s")),
        dropped=_count(outbox.get("dropped")),
        trouble=text(outbox.get("trouble")),
    )


def number(value: Any) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer too large for a float
        return None


def text(value: Any) -> str | None:
    """Text on one line without control characters, at most MAX_TEXT long; None for all else."""
    if not isinstance(value, str):
        return None
    clean = "".join(char if char.isprintable() else "?" for char in value[: MAX_TEXT + 1])
    return clean if len(clean) <= MAX_TEXT else clean[: MAX_TEXT - 3] + "..."


def _update(message: dict[str, Any]) -> str | None:
    """Format a model update: `rolled_back student 8: it is too slow.`"""
    words = filter(None, (text(message.get("state")), _name(_part(message, "new"))))
    return text(": ".join(filter(None, (" ".join(words), text(message.get("reason")))))) or None


def _name(model: dict[str, Any]) -> str | None:
    return " ".join(filter(None, (text(model.get("name")), text(model.get("version"))))) or None


def _part(message: dict[str, Any], key: str) -> dict[str, Any]:
    value = message.get(key)
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> tuple[str, ...]:
    return tuple(word for item in value[:8] if (word := text(item))) if isinstance(value, list) else ()


def _count(value: Any) -> int | None:
    found = number(value)
    return None if found is None else int(found)
