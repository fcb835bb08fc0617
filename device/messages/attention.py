"""What a subscriber learns of a face's attention; docs/attention.md defines each value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from device.message_json import documented

AlertKind = Literal["eyes_closed", "yawn", "looking_away", "drowsy"]
AlertPhase = Literal["start", "end"]


@dataclass(frozen=True, kw_only=True)
class AttentionState:
    """Head, eyes and mouth of one face; what cannot be measured now is null, never a guess."""

    yaw_deg: float | None = documented(
        "turn of the head, degrees; positive to the right of the picture", digits=1, ge=-180, le=180, default=None
    )
    pitch_deg: float | None = documented(
        "nod of the head, degrees; positive upwards", digits=1, ge=-180, le=180, default=None
    )
    roll_deg: float | None = documented(
        "tilt of the head, degrees; positive clockwise in the picture", digits=1, ge=-180, le=180, default=None
    )
    eye_openness: float | None = documented(
        "opening of the eyes: 0 closed, 1 as open as this person's eyes usually are", digits=2, ge=0, le=1, default=None
    )
    mouth_openness: float | None = documented(
        "height of the mouth's opening over its width", digits=2, ge=0, default=None
    )
    facing: float | None = documented(
        "1 if the head points at the camera, 0 if it points to the side", digits=2, ge=0, le=1, default=None
    )
    perclos: float | None = documented(
        "share of the last 60 s with the eyes at least 80 % closed; null until enough was seen",
        digits=3,
        ge=0,
        le=1,
        default=None,
    )
    blinks_per_min: float | None = documented(
        "blinks a minute over the last 60 s; null if the eyes are not seen often enough to count them",
        digits=1,
        ge=0,
        default=None,
    )
    eyes_closed: bool | None = documented("true while an alert `eyes_closed` is on; null if unknown", default=None)
    yawning: bool | None = documented("true while an alert `yawn` is on; null if unknown", default=None)
    looking_away: bool | None = documented("true while an alert `looking_away` is on; null if unknown", default=None)

    @classmethod
    def from_values(cls, values: dict[str, Any] | None) -> Self | None:
        """Rebuild it from its JSON; None stays None."""
        return None if values is None else cls(**values)


@dataclass(frozen=True, kw_only=True)
class AttentionAlert:
    """A state that has lasted long enough to be worth a message began, or ended."""

    kind: AlertKind = documented(
        "eyes_closed: longer than a blink; yawn: the mouth wide open for seconds; looking_away: the head turned away "
        "for seconds; drowsy: `perclos` too high"
    )
    phase: AlertPhase = documented("start or end")
    duration_s: float = documented("how long the state has lasted; at the end, in all", digits=2, ge=0)

    @classmethod
    def from_values(cls, values: dict[str, Any] | None) -> Self | None:
        """Rebuild it from its JSON; None stays None."""
        return None if values is None else cls(**values)


@dataclass(frozen=True, kw_only=True)
class GroupAttention:
    """Attention of all faces together. A mean or share is over the faces that have the value."""

    measured: int = documented("number of faces whose attention is known", ge=0)
    facing: float | None = documented("mean of `facing`; null if of too few faces", digits=2, ge=0, le=1, default=None)
    eye_openness: float | None = documented(
        "mean of `eye_openness`; null if of too few faces", digits=2, ge=0, le=1, default=None
    )
    mouth_openness: float | None = documented(
        "mean of `mouth_openness`; null if of too few faces", digits=2, ge=0, default=None
    )
    looking_away: float | None = documented(
        "share of faces that look away; null if of too few faces", digits=2, ge=0, le=1, default=None
    )
    eyes_closed: float | None = documented(
        "share of faces with closed eyes; null if of too few faces", digits=2, ge=0, le=1, default=None
    )
    yawning: float | None = documented(
        "share of faces that yawn; null if of too few faces", digits=2, ge=0, le=1, default=None
    )
