"""What was seen: events, the state of each face, the summary of all."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Literal

from device.message_json import JsonMessage, documented
from device.messages.attention import AttentionAlert, AttentionState, GroupAttention
from device.valence import Valence

UNKNOWN = "unknown"  # the label of a face whose expression is not certain enough
VALENCE = "scores added up by the sign of the emotion; null if the valence of a label is not known"

EventType = Literal["start", "update", "end", "attention"]


@dataclass(frozen=True, kw_only=True)
class EmotionEvent(JsonMessage):
    """A face appeared, its expression changed, it left, or an alert on its attention changed."""

    id: str = documented("unique id of the event, 32 hexadecimal digits", default_factory=lambda: uuid.uuid4().hex)
    seq: int | None = documented(
        "one higher with each event, also across restarts; never null in a published event", ge=1, default=None
    )
    type: EventType = documented(
        "start: a face was confirmed; update: its expression changed; end: it left; attention: an alert began or ended"
    )
    track: int = documented("id of the face; ids are not reused while the device runs", ge=1)
    ts: float = documented("time of the event, UNIX seconds", digits=3, ge=0)
    emotion: str = documented("smoothed label: one of the model's labels, or unknown")
    confidence: float = documented("confidence in the label", ge=0, le=1)
    scores: dict[str, float] = documented("smoothed score of each of the model's labels", ge=0, le=1)
    previous: str | None = documented("label before this one; null if there was none", default=None)
    box: tuple[float, float, float, float] | None = documented(
        "bounding box of the face in the frame: x, y, width, height in pixels; null if it is not visible",
        digits=0,
        default=None,
    )
    media_s: float | None = documented("time in the file; null for a camera", digits=3, ge=0, default=None)
    replayed: bool = documented(
        "true if the event was recorded before the connection that delivers it was established", default=False
    )
    valence: Valence | None = documented(VALENCE, default=None)
    device: str | None = documented("id of the device, as in the topics; null where it has none", default=None)
    attention: AttentionState | None = documented(
        "head, eyes and mouth; null unless `device.attention` is enabled", default=None
    )
    alert: AttentionAlert | None = documented("what began or ended; null unless `type` is attention", default=None)

    @classmethod
    def from_json(cls, text: str) -> EmotionEvent:
        """Parse what `to_json` wrote; numbers stay rounded as they were published."""
        values = json.loads(text)
        if values["box"] is not None:
            values["box"] = tuple(values["box"])
        if values.get("valence") is not None:  # events of older versions have none
            values["valence"] = Valence(**values["valence"])
        values["attention"] = AttentionState.from_values(values.get("attention"))
        values["alert"] = AttentionAlert.from_values(values.get("alert"))
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class TrackState(JsonMessage):
    """The current expression of one face."""

    track: int = documented("id of the face", ge=1)
    ts: float = documented("time of the classification, UNIX seconds", digits=3, ge=0)
    emotion: str = documented("smoothed label: one of the model's labels, or unknown")
    confidence: float = documented("confidence in the label", ge=0, le=1)
    scores: dict[str, float] = documented("smoothed score of each of the model's labels", ge=0, le=1)
    box: tuple[float, float, float, float] = documented(
        "bounding box of the face in the frame: x, y, width, height in pixels", digits=0
    )
    valence: Valence | None = documented(VALENCE, default=None)
    device: str | None = documented("id of the device, as in the topics; null where it has none", default=None)
    attention: AttentionState | None = documented(
        "head, eyes and mouth; null unless `device.attention` is enabled", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Summary(JsonMessage):
    """All faces that are visible now, counted together."""

    ts: float = documented("UNIX seconds", digits=3, ge=0)
    faces: int = documented("number of tracked faces", ge=0)
    counts: dict[str, int] = documented("number of faces per label: each of the model's labels, and unknown", ge=0)
    mean_scores: dict[str, float] | None = documented(
        "mean score of each label over all faces, of a group over those whose emotion is not unknown; null if there is "
        "no face, or too few of a group",
        ge=0,
        le=1,
    )
    valence: Valence | None = documented(
        "mean valence over the faces whose emotion is not unknown; null if there are none, or too few of a group",
        default=None,
    )
    device: str | None = documented("id of the device, as in the topics; null where it has none", default=None)
    attention: GroupAttention | None = documented(
        "attention of all faces together; null if off, or if of too few faces it is known", default=None
    )
