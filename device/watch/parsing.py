"""The messages about faces, in words.

A field that is absent or invalid is None, because a board may be of another version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from device import messages
from device.message_parser import InvalidMessageError, parse_message

SIGNS = {"eyes_closed": "eyes closed", "yawning": "yawning", "looking_away": "looking away"}
MAX_LABEL = 24  # characters of an emotion
MAX_COUNTS = 4  # labels of a summary that are shown


@dataclass(frozen=True)
class Attention:
    """Where a face looks, and its eyes; for a group, means and shares."""

    facing: float | None  # 0 to 1
    yaw_deg: float | None
    pitch_deg: float | None
    eye_openness: float | None
    perclos: float | None
    signs: tuple[str, ...]  # what is true now, in words; for a group with the share of faces

    def __str__(self) -> str:
        """What is known, in words."""
        parts = [*self.signs]
        parts += [f"facing {self.facing:.2f}"] if self.facing is not None else []
        parts += [f"yaw {self.yaw_deg:+.0f}"] if self.yaw_deg is not None else []
        parts += [f"pitch {self.pitch_deg:+.0f}"] if self.pitch_deg is not None else []
        parts += [f"eyes {self.eye_openness:.2f}"] if self.eye_openness is not None else []
        parts += [f"PERCLOS {self.perclos:.2f}"] if self.perclos is not None else []
        return ", ".join(parts) or "not measured now"


@dataclass(frozen=True)
class Face:
    """The state of one face."""

    track: int
    emotion: str
    confidence: float | None
    attention: Attention | None


@dataclass(frozen=True)
class Summary:
    """All faces in view, together."""

    faces: int
    counts: tuple[tuple[str, int], ...]  # label and number, most frequent first
    mood: float | None  # positive less negative valence
    attention: Attention | None

    def __str__(self) -> str:
        """The summary on one line."""
        counts = ", ".join(f"{count} {label}" for label, count in self.counts)
        parts = [f"{self.faces} face{'' if self.faces == 1 else 's'}" + (f": {counts}" if counts else "")]
        parts += [f"mood {self.mood:+.2f}"] if self.mood is not None else []
        parts += [str(self.attention)] if self.attention is not None else []
        return "; ".join(parts)


@dataclass(frozen=True)
class Event:
    """What an event tells, in words, and when it happened."""

    ts: float | None  # UNIX seconds
    text: str
    alert: bool


def tells_too_few(payload: bytes) -> bool:
    """Whether a status message tells of too few faces for a summary; accepts any payload."""
    try:
        return parse_message(messages.Status, payload, lenient=True)["below_min_group"] is True
    except InvalidMessageError:
        return False


def to_face(track: int, payload: bytes) -> Face:
    """Parse the state of a track.

    Raises:
        InvalidMessageError: as `to_summary` and `to_event`, it is too large or no JSON object.
    """
    values = parse_message(messages.TrackState, payload, lenient=True)
    return Face(track, _cut(values["emotion"]), values["confidence"], _attention(values["attention"]))


def to_summary(payload: bytes) -> Summary:
    """Parse a summary."""
    values = parse_message(messages.Summary, payload, lenient=True)
    counts = [(_cut(label), count) for label, count in (values["counts"] or {}).items() if count]
    counts.sort(key=lambda pair: -pair[1])
    valence = values["valence"] or {}
    positive, negative = valence.get("positive"), valence.get("negative")
    return Summary(
        faces=values["faces"] or 0,
        counts=tuple(counts[:MAX_COUNTS]),
        mood=None if positive is None or negative is None else positive - negative,
        attention=_attention(values["attention"]),
    )


def to_event(payload: bytes) -> Event:
    """Parse an event."""
    values = parse_message(messages.EmotionEvent, payload, lenient=True)
    face = f"face {values['track'] or '?'}"
    confidence = values["confidence"]
    label = _cut(values["emotion"]) + (f" {confidence:.2f}" if confidence is not None else "")
    match values["type"]:
        case "start":
            told = f"{face} appeared: {label}"
        case "update":
            told = f"{face}: {_cut(values['previous'])} -> {label}"
        case "end":
            told = f"{face} left: {label}"
        case "attention":
            told = f"{face}: {_alert(values['alert'] or {})}"
        case other:
            told = f"{face}: {_cut(other)}"
    told += " (happened earlier)" if values["replayed"] else ""
    return Event(values["ts"], told, values["type"] == "attention")


def _alert(alert: dict[str, Any]) -> str:
    kind, duration_s = _cut(alert.get("kind")).replace("_", " "), alert.get("duration_s")
    if alert.get("phase") != "end":
        return kind
    return f"{kind} ended" + (f" after {duration_s:.1f} s" if duration_s is not None else "")


def _attention(values: dict[str, Any] | None) -> Attention | None:
    """Of a face or of a group, which lacks some of the values."""
    if values is None:
        return None
    return Attention(
        facing=values["facing"],
        yaw_deg=values.get("yaw_deg"),
        pitch_deg=values.get("pitch_deg"),
        eye_openness=values["eye_openness"],
        perclos=values.get("perclos"),
        signs=tuple(_sign(words, value) for key, words in SIGNS.items() if (value := values[key])),
    )


def _sign(words: str, value: bool | float) -> str:
    """The words, with the percentage if the value is a share."""
    return words if value is True else f"{words} {value:.0%}"


def _cut(word: str | None) -> str:
    return (word or "?")[:MAX_LABEL]
