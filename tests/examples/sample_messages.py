"""Messages of the project's own classes, full and with null in everything that may be null."""

from __future__ import annotations

import time

from device.messages import (
    AttentionAlert,
    EmotionEvent,
    GroupAttention,
    Health,
    OutboxFigures,
    Stage,
    Summary,
)
from device.valence import Valence

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SCORES = {label: 0.4 if label == "happy" else 0.1 for label in LABELS}


def samples(ts: float | None = None) -> list[tuple[str, str]]:
    """Channel and payload."""
    now = time.time() if ts is None else ts
    counts = dict.fromkeys(LABELS, 0) | {"happy": 5, "unknown": 1}
    group = GroupAttention(
        measured=6, facing=0.8, eye_openness=0.9, mouth_openness=0.1, looking_away=0.17, eyes_closed=0.0, yawning=0.0
    )
    valence = Valence(positive=0.4, negative=0.4, neutral=0.2)
    event = EmotionEvent(
        seq=7, type="start", track=1, ts=now, emotion="happy", confidence=0.4, scores=SCORES, valence=valence,
        device="porch",
    )  # fmt: skip
    alert = AttentionAlert(kind="drowsy", phase="start", duration_s=0.5)
    messages: list[tuple[str, EmotionEvent | Summary | Health]] = [
        ("summary", Summary(ts=now, faces=6, counts=counts, mean_scores=SCORES, valence=valence, attention=group,
                            device="porch")),
        ("summary", Summary(ts=now, faces=0, counts=dict.fromkeys(counts, 0), mean_scores=None, device="porch")),
        ("events", event),
        ("events", EmotionEvent(seq=8, type="attention", track=1, ts=now, emotion="happy", confidence=0.4,
                                scores=SCORES, alert=alert, device="porch")),
        ("health", health(now, full=True)),
        ("health", health(now, full=False)),
    ]  # fmt: skip
    return [(channel, message.to_json()) for channel, message in messages]


def health(ts: float, full: bool) -> Health:
    stage = Stage(p50_ms=10.0, p95_ms=20.0, max_ms=30.0, n=100)
    return Health(
        ts=ts,
        uptime_s=9.0,
        fps=15.0 if full else None,
        camera_fps=15.0 if full else None,
        frames=100,
        skipped=1,
        last_frame_age_s=0.1 if full else None,
        camera_reopenings=0,
        stages={"total": stage} if full else {},
        temperature_c=50.0 if full else None,
        throttling=None,
        memory_mb=120.0 if full else None,
        outbox=OutboxFigures(depth=0, dropped=0, oldest_age_s=None),
        reconnects=0,
        device="porch",
    )
