"""What boards say, read without trust: of another version, damaged, or not theirs at all. Nothing here raises.

Only what the view shows or judges is read. A field that is absent or of the wrong kind is None; text is made safe for a
terminal.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

LONGEST = 160  # letters of a sentence from outside
MOST = 100_000  # bytes; a status has about 1,000


@dataclass(frozen=True)
class Status:
    """The part of a `status` message that a fleet is judged by."""

    version: str | None
    model: str | None  # name and version
    digest: str | None  # sha256 of the network's file
    camera: str | None
    camera_error: str | None
    config_error: str | None
    update: str | None  # what came of the last new model: the state, its name, and why


@dataclass(frozen=True)
class Health:
    """The part of a `health` message that a fleet is judged by; units as in the names."""

    uptime_s: float | None
    fps: float | None
    p95_ms: float | None  # of a whole frame
    last_frame_age_s: float | None
    temperature_c: float | None
    throttled: tuple[str, ...]
    throttled_before: tuple[str, ...]  # at any time since boot
    depth: int | None  # events in the outbox
    oldest_age_s: float | None
    dropped: int | None  # events given up in the life of the state folder
    trouble: str | None  # why the state folder cannot be written


def to_object(payload: bytes) -> dict[str, Any] | None:
    """The JSON object that a payload is, else None."""
    if len(payload) > MOST:
        return None
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):  # neither UTF-8, nor JSON, nor of a sane depth
        return None
    return value if isinstance(value, dict) else None


def to_status(said: dict[str, Any]) -> Status:
    """A status message."""
    model = _part(said, "model")
    return Status(
        version=text(said.get("version")),
        model=_name(model),
        digest=text(model.get("digest")),
        camera=text(said.get("camera")),
        camera_error=text(said.get("camera_error")),
        config_error=text(said.get("config_error")),
        update=_update(_part(said, "model_update")),
    )


def to_health(said: dict[str, Any]) -> Health:
    """A health message."""
    throttling, outbox = _part(said, "throttling"), _part(said, "outbox")
    return Health(
        uptime_s=number(said.get("uptime_s")),
        fps=number(said.get("fps")),
        p95_ms=number(_part(_part(said, "stages"), "total").get("p95_ms")),
        last_frame_age_s=number(said.get("last_frame_age_s")),
        temperature_c=number(said.get("temperature_c")),
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
    except OverflowError:  # a whole number of a thousand digits
        return None


def text(value: Any) -> str | None:
    """Text on one line, without what moves a terminal's cursor, cut where it is too long; None for all else."""
    if not isinstance(value, str):
        return None
    clean = "".join(letter if letter.isprintable() else "?" for letter in value[: LONGEST + 1])
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 3] + "..."


def _update(said: dict[str, Any]) -> str | None:
    """`rolled_back student 8: it is too slow.`"""
    words = filter(None, (text(said.get("state")), _name(_part(said, "new"))))
    return text(": ".join(filter(None, (" ".join(words), text(said.get("reason")))))) or None


def _name(model: dict[str, Any]) -> str | None:
    return " ".join(filter(None, (text(model.get("name")), text(model.get("version"))))) or None


def _part(said: dict[str, Any], key: str) -> dict[str, Any]:
    value = said.get(key)
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> tuple[str, ...]:
    return tuple(word for item in value[:8] if (word := text(item))) if isinstance(value, list) else ()


def _count(value: Any) -> int | None:
    found = number(value)
    return None if found is None else int(found)
