"""What the device says: one dataclass a kind of message, and its JSON.

The fields, their meaning and their bounds stand here once; docs/events.schema.json and docs/asyncapi.yaml are made from
them by scripts/docs/schemas.py.
"""

from __future__ import annotations

import dataclasses
import json
import numbers
import uuid
from dataclasses import dataclass
from typing import Any, Literal

EventType = Literal["start", "update", "end"]
UpdateState = Literal["trial", "accepted", "rolled_back", "refused"]
CameraState = Literal["starting", "running", "stalled", "frozen", "failed", "paused", "ended", "stopped"]


def documented(
    doc: str,
    *,
    digits: int = 4,
    ge: float | None = None,
    le: float | None = None,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
    optional: bool = False,
) -> Any:
    """Declare one field of a message: what it means, its decimals, its bounds, and whether it may be left out."""
    metadata = {"doc": doc, "digits": digits, "ge": ge, "le": le, "optional": optional}
    if default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class EmotionEvent:
    """A face appeared, its expression changed, or it left."""

    id: str = documented("unique name of the event, 32 hexadecimal digits", default_factory=lambda: uuid.uuid4().hex)
    seq: int | None = documented(
        "grows by one an event, across restarts; null only inside the device", ge=1, default=None
    )
    type: EventType = documented("start: a face was confirmed; update: its expression changed; end: it left")
    track: int = documented("which face; ids are not reused while the device runs", ge=1)
    ts: float = documented("when it happened, UNIX seconds", digits=3, ge=0)
    emotion: str = documented("the steady reading: one of the model's labels, or unknown")
    confidence: float = documented("of the reading", ge=0, le=1)
    scores: dict[str, float] = documented("the steadied score of each of the model's labels", ge=0, le=1)
    previous: str | None = documented("the reading before this one; null where there was none", default=None)
    box: tuple[float, float, float, float] | None = documented(
        "the face in the frame: x, y, width, height in pixels; null when it is not seen", digits=0, default=None
    )
    replayed: bool = documented("recorded before the connection that delivers it was made", default=False)

    def to_json(self) -> str:
        """The event as one line of JSON."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> EmotionEvent:
        """The event that `to_json` wrote (numbers rounded as they were said)."""
        values = json.loads(text)
        if values["box"] is not None:
            values["box"] = tuple(values["box"])
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class TrackState:
    """How one face reads now."""

    track: int = documented("which face", ge=1)
    ts: float = documented("when it was read, UNIX seconds", digits=3, ge=0)
    emotion: str = documented("the steady reading: one of the model's labels, or unknown")
    confidence: float = documented("of the reading", ge=0, le=1)
    scores: dict[str, float] = documented("the steadied score of each of the model's labels", ge=0, le=1)
    box: tuple[float, float, float, float] = documented(
        "the face in the frame: x, y, width, height in pixels", digits=0
    )

    def to_json(self) -> str:
        """The state as one line of JSON."""
        return to_json(self)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everybody who is seen now, taken together."""

    ts: float = documented("UNIX seconds", digits=3, ge=0)
    faces: int = documented("how many faces are followed", ge=0)
    counts: dict[str, int] = documented("faces by reading: each of the model's labels, and unknown", ge=0)
    mean_scores: dict[str, float] | None = documented("mean score of each label; null when nobody is seen", ge=0, le=1)

    def to_json(self) -> str:
        """The summary as one line of JSON."""
        return to_json(self)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How long one stage of the chain took, over its latest runs."""

    p50_ms: float = documented("half of the runs took at most this", digits=3, ge=0)
    p95_ms: float = documented("95 of 100 runs took at most this", digits=3, ge=0)
    max_ms: float = documented("the longest run", digits=3, ge=0)
    n: int = documented("runs that these numbers stand on", ge=0)


@dataclass(frozen=True, kw_only=True)
class FaceReads:
    """How often a face is read, over the last ten seconds; with many faces they take turns."""

    rate_hz: float = documented("readings a second of each face in view, on average", digits=2, ge=0)
    longest_wait_s: float = documented("the longest that a face in view waited for its next reading", digits=2, ge=0)


@dataclass(frozen=True, kw_only=True)
class Throttling:
    """What the Raspberry Pi's firmware holds back."""

    now: tuple[str, ...] = documented("under-voltage, frequency-capped, throttled, soft-temperature-limit")
    since_boot: tuple[str, ...] = documented("the same, for what happened at any time since boot")


@dataclass(frozen=True, kw_only=True)
class OutboxFigures:
    """Events that were recorded and not yet taken by the broker."""

    depth: int = documented("events waiting or under way", ge=0)
    bytes: int = documented("of the events on disk", ge=0, default=0)
    dropped: int = documented("events given up (too many, too much, too old) in the life of the state folder", ge=0)
    oldest_age_s: float | None = documented("age of the oldest waiting event; null when none waits", digits=1, ge=0)
    held: int = documented(
        "events in memory alone, because the disk takes none; a power cut loses them", ge=0, default=0
    )
    trouble: str | None = documented("why the state folder cannot be written; null while it can", default=None)
    damaged: int = documented(
        "times the file was found damaged and begun anew, since the process began", ge=0, default=0
    )


@dataclass(frozen=True, kw_only=True)
class Health:
    """How the device is doing."""

    ts: float = documented("UNIX seconds", digits=3, ge=0)
    uptime_s: float = documented("time since the process began", digits=1, ge=0)
    fps: float | None = documented("frames worked on a second, lately; null before the first second", digits=2, ge=0)
    frames: int = documented("frames worked on since the process began", ge=0)
    skipped: int = documented("frames that the camera gave and nobody had time for", ge=0)
    last_frame_age_s: float | None = documented(
        "time since the last frame was worked on; null before the first", digits=1, ge=0
    )
    camera_reopenings: int = documented("how often the camera was opened after the first time", ge=0)
    stages: dict[str, Stage] = documented("timings of each stage of the chain")
    face_reads: FaceReads | None = documented(
        "how often each face is read; null where none was read twice lately", default=None
    )
    temperature_c: float | None = documented("of the processor; null where the board does not tell", digits=1)
    throttling: Throttling | None = documented("null where the board does not tell")
    memory_mb: float | None = documented(
        "resident memory of the process, 10^6 bytes; null where unknown", digits=1, ge=0
    )
    outbox: OutboxFigures = documented("events that wait")
    reconnects: int = documented("connections to the broker after the first", ge=0)

    def to_json(self) -> str:
        """The health message as one line of JSON."""
        return to_json(self)


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Which network reads the faces."""

    name: str = documented("from the model card")
    version: str = documented("from the model card")
    digest: str = documented("sha256 of the .tflite, card included")
    labels: tuple[str, ...] = documented("what it can say, in the order of its outputs")


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """A model as it is spoken of."""

    name: str | None = documented("from the model card; null where there is none that can be read")
    version: str | None = documented("from the model card; null where there is none that can be read")
    digest: str = documented("sha256 of the .tflite, card included")


@dataclass(frozen=True, kw_only=True)
class ModelUpdate:
    """What came of the last model that was to be installed."""

    state: UpdateState = documented(
        "trial: it runs and is watched; accepted: it stays; rolled_back: the old one runs again; refused: it never ran"
    )
    new: ModelName = documented("the model that was to be installed")
    old: ModelName = documented("the one in force before")
    reason: str | None = documented("why it was refused or rolled back, one sentence; null where it was not")
    since: float = documented("when that became so, UNIX seconds", digits=3, ge=0)


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the device is and what it runs."""

    ts: float = documented("when this was said, UNIX seconds", digits=3, ge=0)
    device: str = documented("the device's id, as in the topics")
    version: str = documented("of emotion-edge")
    python: str = documented("version of the interpreter")
    platform: str = documented("kernel and machine")
    board: str | None = documented("the board's name; null where it does not tell")
    model: ModelInfo = documented("the network")
    config_digest: str = documented("sha256 of the settings in force; equal settings, equal digest")
    camera: CameraState = documented("what the camera does; docs/events.md explains each state")
    camera_error: str | None = documented("what is wrong with the camera, one sentence; null while nothing is")
    purpose: str | None = documented("what the readings are for: one of the words of docs/privacy.md")
    purpose_note: str | None = documented("the same in the operator's own words; null where there are none")
    jurisdiction: str | None = documented("whose law holds: eu or elsewhere")
    aggregate: bool = documented("nothing but summaries of groups leaves the device")
    config_error: str | None = documented("why settings that were read again are not in force; null when they are")
    model_update: ModelUpdate | None = documented(
        "what came of the last model that was to be installed; null where there was none", default=None
    )

    def to_json(self) -> str:
        """The status as one line of JSON."""
        return to_json(self)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command. The verb stands in the topic; an empty payload is as good as {}."""

    transaction: str | None = documented(
        "comes back in the answer; a request that comes twice with it is worked on once", default=None, optional=True
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a command."""

    status: Literal["ok", "error"] = documented("ok; or error, then `error` says why")
    data: dict[str, Any] | None = documented("what the verb tells; null where it tells nothing")
    error: str | None = documented("one sentence; null where all is well")
    transaction: str | None = documented("the request's; null where it had none that could be read")

    def to_json(self) -> str:
        """The answer as one line of JSON."""
        return to_json(self)


def to_json(message: Any) -> str:
    """A message as one line of JSON; floats carry as many decimals as their field declares."""
    return json.dumps(_plain(message, 4), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any, digits: int) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name), f.metadata["digits"]) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item, digits) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item, digits) for item in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):  # numpy's numbers too, which json does not know
        return int(value)
    return round(float(value), digits or None)


UNKNOWN = "unknown"
