"""The health of the device."""

from __future__ import annotations

from dataclasses import dataclass

from device.message_json import JsonMessage, documented


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
    frames: int = documented(
        "frames processed since the process started or last changed settings or model",
        ge=0,
        counter=True,
    )
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
