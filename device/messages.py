"""The messages that the device publishes and receives: one dataclass for each kind, and its JSON.

scripts/docs/schemas.py generates docs/events.schema.json, docs/asyncapi.yaml and the tables of
docs/events.md from it. The class names are keys of the schema.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from device.message_json import JsonMessage, documented, to_json
from device.valence import Valence

__all__ = ["JsonMessage", "documented", "to_json"]

UNKNOWN = "unknown"  # the label of a face whose expression is not certain enough
VALENCE = "scores added up by the sign of the emotion; null if the valence of a label is not known"

EventType = Literal["start", "update", "end"]
UpdateState = Literal["trial", "accepted", "rolled_back", "refused"]
CameraState = Literal["starting", "running", "stalled", "frozen", "failed", "paused", "ended", "stopped"]


@dataclass(frozen=True, kw_only=True)
class EmotionEvent(JsonMessage):
    """A face appeared, its expression changed, or it left."""

    id: str = documented("unique id of the event, 32 hexadecimal digits", default_factory=lambda: uuid.uuid4().hex)
    seq: int | None = documented(
        "one higher with each event, also across restarts; never null in a published event", ge=1, default=None
    )
    type: EventType = documented("start: a face was confirmed; update: its expression changed; end: it left")
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

    @classmethod
    def from_json(cls, text: str) -> EmotionEvent:
        """Parse what `to_json` wrote; numbers stay rounded as they were published."""
        values = json.loads(text)
        if values["box"] is not None:
            values["box"] = tuple(values["box"])
        if values.get("valence") is not None:  # events of older versions have none
            values["valence"] = Valence(**values["valence"])
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


@dataclass(frozen=True, kw_only=True)
class Summary(JsonMessage):
    """All faces that are visible now, counted together."""

    ts: float = documented("UNIX seconds", digits=3, ge=0)
    faces: int = documented("number of tracked faces", ge=0)
    counts: dict[str, int] = documented("number of faces per label: each of the model's labels, and unknown", ge=0)
    mean_scores: dict[str, float] | None = documented(
        "mean score of each label over all faces; null if there is no face", ge=0, le=1
    )
    valence: Valence | None = documented("mean valence over all faces; null if there is none", default=None)
    device: str | None = documented("id of the device, as in the topics; null where it has none", default=None)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How long one stage of the pipeline took, over its latest runs."""

    p50_ms: float = documented("median duration", digits=3, ge=0)
    p95_ms: float = documented("95th percentile of the duration", digits=3, ge=0)
    max_ms: float = documented("longest duration", digits=3, ge=0)
    n: int = documented("number of runs measured", ge=0)


@dataclass(frozen=True, kw_only=True)
class FaceReads:
    """How often a face was classified in the last ten seconds; many faces take turns."""

    rate_hz: float = documented("classifications per second of each face in view, on average", digits=2, ge=0)
    longest_wait_s: float = documented(
        "longest time that a face in view waited for its next classification", digits=2, ge=0
    )


@dataclass(frozen=True, kw_only=True)
class Throttling:
    """How the firmware of the Raspberry Pi throttles the processor."""

    now: tuple[str, ...] = documented(
        "conditions active now: under-voltage, frequency-capped, throttled, soft-temperature-limit"
    )
    since_boot: tuple[str, ...] = documented("conditions that were active at any time since boot")


@dataclass(frozen=True, kw_only=True)
class OutboxFigures:
    """Events that were recorded and that the broker has not acknowledged yet."""

    depth: int = documented("events that the broker has not acknowledged yet", ge=0)
    bytes: int = documented("size of the events on disk", ge=0, default=0)
    dropped: int = documented(
        "events dropped since the state folder was created, because they were too many, too large or too old",
        ge=0,
        counter=True,
    )
    oldest_age_s: float | None = documented("age of the oldest waiting event; null if none waits", digits=1, ge=0)
    held: int = documented(
        "events kept only in memory because the disk cannot be written; a power cut loses them", ge=0, default=0
    )
    trouble: str | None = documented("why the state folder cannot be written; null if it can", default=None)
    damaged: int = documented(
        "times since the process started that the outbox file was damaged and replaced by an empty one",
        ge=0,
        default=0,
        counter=True,
    )


@dataclass(frozen=True, kw_only=True)
class Health(JsonMessage):
    """The health of the device."""

    ts: float = documented("UNIX seconds", digits=3, ge=0)
    uptime_s: float = documented("time since the process started", digits=1, ge=0)
    fps: float | None = documented(
        "frames processed per second, recently; null before the first second", digits=2, ge=0
    )
    camera_fps: float | None = documented(
        "frames per second that the source delivers, processed or not, recently; null before the first second",
        digits=2,
        ge=0,
        default=None,
    )
    frames: int = documented("frames processed since the process started", ge=0, counter=True)
    skipped: int = documented("frames that the device had no time to process", ge=0, counter=True)
    last_frame_age_s: float | None = documented(
        "time since the last frame was processed; null before the first", digits=1, ge=0
    )
    camera_reopenings: int = documented("times the camera was opened again after the first time", ge=0, counter=True)
    stages: dict[str, Stage] = documented("timings of each stage of the pipeline")
    face_reads: FaceReads | None = documented(
        "how often each face is classified; null if no face was classified twice recently", default=None
    )
    temperature_c: float | None = documented("of the processor in °C; null if the board does not report it", digits=1)
    throttling: Throttling | None = documented("throttling by the firmware; null if the board does not report it")
    memory_mb: float | None = documented(
        "resident memory of the process in 10^6 bytes; null if unknown", digits=1, ge=0
    )
    outbox: OutboxFigures = documented("state of the outbox")
    reconnects: int = documented("connections to the broker after the first", ge=0, counter=True)
    device: str | None = documented("id of the device, as in the topics; null where it has none", default=None)


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The model that classifies the faces."""

    name: str = documented("from the model card")
    version: str = documented("from the model card")
    digest: str = documented("sha256 of the .tflite, card included")
    labels: tuple[str, ...] = documented("labels in the order of the model's outputs")


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """The identity of a model."""

    name: str | None = documented("from the model card; null if there is no readable card")
    version: str | None = documented("from the model card; null if there is no readable card")
    digest: str = documented("sha256 of the .tflite, card included")


@dataclass(frozen=True, kw_only=True)
class ModelUpdate:
    """The result of the last model update."""

    state: UpdateState = documented(
        "trial: the new model runs and is monitored; accepted: it stays; rolled_back: the old one runs again; "
        "refused: it never ran"
    )
    new: ModelName = documented("the model to install")
    old: ModelName = documented("the model that was active before")
    reason: str | None = documented("why it was refused or rolled back, one sentence; otherwise null")
    since: float = documented("time of the last change of `state`, UNIX seconds", digits=3, ge=0)


@dataclass(frozen=True, kw_only=True)
class CameraMode:
    """What a live camera delivers."""

    source: str = documented("its address, without user, password and query")
    width: int = documented("width of the frames in pixels, after `camera.rotate`", ge=1)
    height: int = documented("height of the frames in pixels, after `camera.rotate`", ge=1)
    pixel_format: str | None = documented("FourCC such as MJPG or YUYV; null if unknown")
    fps: float | None = documented(
        "frames per second, measured once after the opening; null until then", digits=2, ge=0
    )


@dataclass(frozen=True, kw_only=True)
class Status(JsonMessage):
    """The device, its software, its model and its camera."""

    ts: float = documented("time of the message, UNIX seconds", digits=3, ge=0)
    device: str = documented("the device's id, as in the topics")
    version: str = documented("version of emotion-edge")
    python: str = documented("version of Python")
    platform: str = documented("kernel and machine")
    board: str | None = documented("name of the board; null if it does not report one")
    model: ModelInfo = documented("the active model")
    config_digest: str = documented("sha256 of the active settings; equal settings have equal digests")
    camera: CameraState = documented("state of the camera; docs/events.md explains each value")
    camera_error: str | None = documented("what is wrong with the camera, one sentence; null if nothing is")
    camera_mode: CameraMode | None = documented(
        "what a live camera delivers; null before its first frame, and for a file", default=None
    )
    camera_warning: str | None = documented(
        "what it delivers differently from what the settings ask for; null if nothing", default=None
    )
    purpose: str | None = documented("purpose of the classification: one of the words of docs/privacy.md")
    purpose_note: str | None = documented(
        "description of the purpose in the operator's own words; null if there is none"
    )
    jurisdiction: str | None = documented("applicable law: eu or elsewhere")
    aggregate: bool = documented("true if the device publishes only summaries of groups")
    below_min_group: bool | None = documented(
        "true while too few faces for a summary are in view, or none; null if `aggregate` is false", default=None
    )
    config_error: str | None = documented("why reloaded settings are not active; null if they are")
    model_update: ModelUpdate | None = documented(
        "result of the last model update; null if there was none", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command. The topic holds the verb."""

    transaction: str | None = documented(
        "copied into the response; a request received twice with the same value is executed once",
        default=None,
        optional=True,
    )


@dataclass(frozen=True, kw_only=True)
class Answer(JsonMessage):
    """The response to a command."""

    status: Literal["ok", "error"] = documented("ok, or error; then `error` gives the reason")
    data: dict[str, Any] | None = documented("result of the command; null if it has none")
    error: str | None = documented("what went wrong, one sentence; null if nothing did")
    transaction: str | None = documented("copied from the request; null if it had none that is valid")
