"""Parses the messages about faces, which may be damaged, forged or of another version.

Nothing here raises. A field that is absent or of the wrong type is None; text is made safe for a
terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from device.fleet.parsing import number, text

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


def to_face(track: int, message: dict[str, Any]) -> Face:
    """Parse the state of a track."""
    return Face(track, _label(message), _share(message.get("confidence")), _attention(message.get("attention")))


def to_summary(message: dict[str, Any]) -> Summary:
    """Parse a summary."""
    counts = _object(message.get("counts"))
    found = [(_cut(text(label)), int(count)) for label, value in counts.items() if (count := number(value) or 0) >= 1]
    found.sort(key=lambda pair: -pair[1])
    valence = _object(message.get("valence"))
    positive, negative = number(valence.get("positive")), number(valence.get("negative"))
    return Summary(
        faces=int(max(0, number(message.get("faces")) or 0)),
        counts=tuple(found[:MAX_COUNTS]),
        mood=None if positive is None or negative is None else max(-1.0, min(1.0, positive - negative)),
        attention=_attention(message.get("attention")),
    )


def to_event(message: dict[str, Any]) -> Event:
    """Parse an event."""
    alert = _object(message.get("alert"))
    face = f"face {_integer(message.get('track'))}"
    confidence = _share(message.get("confidence"))
    label = _label(message) + (f" {confidence:.2f}" if confidence is not None else "")
    match message.get("type"):
        case "start":
            told = f"{face} appeared: {label}"
        case "update":
            told = f"{face}: {_cut(text(message.get('previous')))} -> {label}"
        case "end":
            told = f"{face} left: {label}"
        case "attention":
            told = f"{face}: {_alert(alert)}"
        case other:
            told = f"{face}: {_cut(text(other))}"
    told += " (happened earlier)" if message.get("replayed") is True else ""
    return Event(number(message.get("ts")), told, message.get("type") == "attention")


def _alert(alert: dict[str, Any]) -> str:
    kind = _cut(text(alert.get("kind"))).replace("_", " ")
    duration_s = number(alert.get("duration_s"))
    if alert.get("phase") != "end":
        return kind
    return f"{kind} ended" + (f" after {duration_s:.1f} s" if duration_s is not None else "")


def _attention(value: Any) -> Attention | None:
    if not isinstance(value, dict):
        return None
    return Attention(
        facing=_share(value.get("facing")),
        yaw_deg=number(value.get("yaw_deg")),
        pitch_deg=number(value.get("pitch_deg")),
        eye_openness=_share(value.get("eye_openness")),
        perclos=_share(value.get("perclos")),
        signs=tuple(sign for key, words in SIGNS.items() if (sign := _sign(words, value.get(key)))),
    )


def _sign(words: str, value: Any) -> str:
    """The words if the value is true, with the percentage if it is a share; else none."""
    share = _share(value)
    return words if value is True else f"{words} {share:.0%}" if share else ""


def _label(message: dict[str, Any]) -> str:
    return _cut(text(message.get("emotion")))


def _cut(word: str | None) -> str:
    return (word or "?")[:MAX_LABEL]


def _share(value: Any) -> float | None:
    found = number(value)
    return None if found is None else max(0.0, min(1.0, found))


def _integer(value: Any) -> str:
    found = number(value)
    return "?" if found is None else f"{found:.0f}"[:9]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
