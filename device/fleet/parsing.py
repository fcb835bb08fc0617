"""The fields of status and health that the report shows or the health rules evaluate.

A field that is absent or invalid is None, because a board may be of another version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from device import messages
from device.message_parser import parse_message


@dataclass(frozen=True)
class Status:
    """The parsed part of a `status` message; `device fleet --json` prints these fields."""

    version: str | None = None
    model: str | None = None  # name and version
    digest: str | None = None  # sha256 of the network's file
    camera: str | None = None
    camera_error: str | None = None
    config_error: str | None = None
    update: str | None = None  # result of the last model update: state, name and reason


@dataclass(frozen=True)
class Health:
    """The parsed part of a `health` message; `device fleet --json` prints these fields."""

    uptime_s: float | None = None
    fps: float | None = None
    p95_ms: float | None = None  # of a whole frame
    last_frame_age_s: float | None = None
    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()
    throttled_before: tuple[str, ...] = ()  # at any time since boot
    depth: int | None = None  # events in the outbox
    oldest_age_s: float | None = None
    dropped: int | None = None  # events dropped since the state folder exists
    trouble: str | None = None  # why the state folder cannot be written


def to_status(payload: bytes) -> Status:
    """Parse a status message.

    Raises:
        InvalidMessageError: it is too large or no JSON object.
    """
    values = parse_message(messages.Status, payload, lenient=True)
    model, update = values["model"] or {}, values["model_update"] or {}
    return Status(
        version=values["version"],
        model=_name(model),
        digest=model.get("digest"),
        camera=values["camera"],
        camera_error=values["camera_error"],
        config_error=values["config_error"],
        update=_joined(": ", _joined(" ", update.get("state"), _name(update.get("new"))), update.get("reason")),
    )


def to_health(payload: bytes) -> Health:
    """Parse a health message.

    Raises:
        InvalidMessageError: it is too large or no JSON object.
    """
    values = parse_message(messages.Health, payload, lenient=True)
    throttling, outbox = values["throttling"] or {}, values["outbox"] or {}
    total = (values["stages"] or {}).get("total") or {}
    return Health(
        uptime_s=values["uptime_s"],
        fps=values["fps"],
        p95_ms=total.get("p95_ms"),
        last_frame_age_s=values["last_frame_age_s"],
        temperature_c=values["temperature_c"],
        throttled=tuple(throttling.get("now") or ()),
        throttled_before=tuple(throttling.get("since_boot") or ()),
        depth=outbox.get("depth"),
        oldest_age_s=outbox.get("oldest_age_s"),
        dropped=outbox.get("dropped"),
        trouble=outbox.get("trouble"),
    )


def _name(model: dict[str, Any] | None) -> str | None:
    return _joined(" ", model["name"], model["version"]) if model else None


def _joined(between: str, *texts: str | None) -> str | None:
    return between.join(filter(None, texts)) or None
