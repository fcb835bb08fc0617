"""The exact JSON of each message, and that the documents in docs/ match it."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, cast

import jsonschema
import numpy as np
import pytest

from device.inference import BUNDLED, digest
from device.inference.box import Box
from device.message_json import to_json
from device.messages import (
    Answer,
    AttentionAlert,
    AttentionState,
    CameraMode,
    EmotionEvent,
    FaceReads,
    GroupAttention,
    Health,
    ModelInfo,
    OutboxFigures,
    Stage,
    Status,
    Summary,
    Throttling,
    TrackState,
)
from device.mqtt.topics import CHANNELS, Channel
from device.valence import Valence
from scripts.docs import schemas

SCHEMA = json.loads(schemas.SCHEMA.read_text(encoding="utf-8"))
EVENTS_MD = (schemas.DOCS / "events.md").read_text(encoding="utf-8")

EVENT = EmotionEvent(
    id="0f8fad5bd9cb469fa16570867728950e",
    seq=17,
    type="update",
    track=3,
    ts=1795305600.1234,
    emotion="happy",
    confidence=cast(float, np.float32(0.6)),  # as it comes from the network
    scores={"happy": 0.6, "sad": 1 / 3, "neutral": 0.0},
    previous="neutral",
    box=Box(10.4, 20.6, 99.5, 120.0),
    valence=Valence(positive=0.6, negative=1 / 3, neutral=1 / 15),
)
ALERT = dataclasses.replace(
    EVENT,
    seq=18,
    type="attention",
    attention=AttentionState(
        yaw_deg=-12.34,
        pitch_deg=4.0,
        roll_deg=0.02,
        eye_openness=0.1234,
        mouth_openness=0.03,
        facing=0.9712,
        perclos=0.15555,
        eyes_closed=True,
        yawning=False,
        looking_away=False,
    ),
    alert=AttentionAlert(kind="eyes_closed", phase="start", duration_s=0.533),
)
GOLDEN: list[tuple[Any, str]] = [
    (
        EVENT,
        '{"id":"0f8fad5bd9cb469fa16570867728950e","seq":17,"type":"update","track":3,"ts":1795305600.123,'
        '"emotion":"happy","confidence":0.6,"scores":{"happy":0.6,"sad":0.3333,"neutral":0.0},"previous":"neutral",'
        '"box":[10,21,100,120],"media_s":null,"replayed":false,'
        '"valence":{"positive":0.6,"negative":0.3333,"neutral":0.0667},"device":null,"attention":null,"alert":null}',
    ),
    (
        ALERT,
        '{"id":"0f8fad5bd9cb469fa16570867728950e","seq":18,"type":"attention","track":3,"ts":1795305600.123,'
        '"emotion":"happy","confidence":0.6,"scores":{"happy":0.6,"sad":0.3333,"neutral":0.0},"previous":"neutral",'
        '"box":[10,21,100,120],"media_s":null,"replayed":false,'
        '"valence":{"positive":0.6,"negative":0.3333,"neutral":0.0667},"device":null,'
        '"attention":{"yaw_deg":-12.3,"pitch_deg":4.0,"roll_deg":0.0,"eye_openness":0.12,"mouth_openness":0.03,'
        '"facing":0.97,"perclos":0.156,"blinks_per_min":null,"eyes_closed":true,"yawning":false,"looking_away":false},'
        '"alert":{"kind":"eyes_closed","phase":"start","duration_s":0.53}}',
    ),
    (
        TrackState(track=3, ts=2.0, emotion="unknown", confidence=0.25, scores={"happy": 0.25}, box=Box(-1.2, 0, 5, 5)),
        '{"track":3,"ts":2.0,"emotion":"unknown","confidence":0.25,"scores":{"happy":0.25},"box":[-1,0,5,5],"valence":null,"device":null,'
        '"attention":null}',
    ),
    (
        Summary(ts=2.0, faces=1, counts={"happy": 1, "unknown": 0}, mean_scores={"happy": 0.9}),
        '{"ts":2.0,"faces":1,"counts":{"happy":1,"unknown":0},"mean_scores":{"happy":0.9},"valence":null,"device":null,'
        '"attention":null}',
    ),
    (
        Summary(ts=2.0, faces=0, counts={"happy": 0, "unknown": 0}, mean_scores=None),
        '{"ts":2.0,"faces":0,"counts":{"happy":0,"unknown":0},"mean_scores":null,"valence":null,"device":null,'
        '"attention":null}',
    ),
    (
        Summary(
            ts=2.0,
            faces=3,
            counts={"happy": 2, "unknown": 1},
            mean_scores={"happy": 0.9},
            attention=GroupAttention(measured=2, facing=0.756, mouth_openness=0.1, looking_away=0.5, yawning=0.0),
        ),
        '{"ts":2.0,"faces":3,"counts":{"happy":2,"unknown":1},"mean_scores":{"happy":0.9},"valence":null,"device":null,'
        '"attention":{"measured":2,"facing":0.76,"eye_openness":null,"mouth_openness":0.1,"looking_away":0.5,'
        '"eyes_closed":null,"yawning":0.0}}',
    ),
    (
        Health(
            ts=2.0,
            uptime_s=61.04,
            fps=14.987,
            camera_fps=15.004,
            frames=900,
            skipped=4,
            last_frame_age_s=0.04,
            camera_reopenings=1,
            stages={"detect": Stage(p50_ms=1.0, p95_ms=2.0, max_ms=3.14159, n=900)},
            face_reads=FaceReads(rate_hz=3.456, longest_wait_s=0.4),
            temperature_c=48.3,
            throttling=Throttling(now=(), since_boot=("under-voltage",)),
            memory_mb=98.76,
            outbox=OutboxFigures(depth=1, bytes=412, dropped=0, oldest_age_s=0.26),
            reconnects=0,
        ),
        '{"ts":2.0,"uptime_s":61.0,"fps":14.99,"camera_fps":15.0,"frames":900,"skipped":4,"last_frame_age_s":0.0,'
        '"camera_reopenings":1,"stages":{"detect":{"p50_ms":1.0,"p95_ms":2.0,"max_ms":3.142,"n":900}},'
        '"face_reads":{"rate_hz":3.46,"longest_wait_s":0.4},"temperature_c":48.3,'
        '"throttling":{"now":[],"since_boot":["under-voltage"]},"memory_mb":98.8,'
        '"outbox":{"depth":1,"bytes":412,"dropped":0,"oldest_age_s":0.3,"held":0,"trouble":null,"damaged":0},"reconnects":0,'
        '"device":null}',
    ),
    (
        Status(
            ts=2.0,
            device="porch",
            version="0.1.0",
            python="3.11.2",
            platform="Linux",
            board=None,
            model=ModelInfo(name="compact", version="1", digest="ab", labels=("happy", "sad")),
            config_digest="cd",
            camera="stalled",
            camera_error="picamera2://0: no frame for 10 s.",
            camera_mode=CameraMode(source="picamera2://0", width=640, height=480, pixel_format=None, fps=14.971),
            purpose="art",
            purpose_note=None,
            jurisdiction="eu",
            aggregate=False,
            config_error=None,
        ),
        '{"ts":2.0,"device":"porch","version":"0.1.0","python":"3.11.2","platform":"Linux","board":null,'
        '"model":{"name":"compact","version":"1","digest":"ab","labels":["happy","sad"]},"config_digest":"cd",'
        '"camera":"stalled","camera_error":"picamera2://0: no frame for 10 s.",'
        '"camera_mode":{"source":"picamera2://0","width":640,"height":480,"pixel_format":null,"fps":14.97},'
        '"camera_warning":null,'
        '"purpose":"art","purpose_note":null,"jurisdiction":"eu","aggregate":false,"below_min_group":null,'
        '"config_error":null,"model_update":null}',
    ),
    (
        Answer(status="ok", data={"camera": "paused", "n": 0.5}, error=None, transaction="7f"),
        '{"status":"ok","data":{"camera":"paused","n":0.5},"error":null,"transaction":"7f"}',
    ),
]


def check(kind: str, payload: Any) -> None:
    jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}).validate(payload)


@pytest.mark.parametrize(("message", "payload"), GOLDEN, ids=lambda value: type(value).__name__)
def test_golden_payloads(message: Any, payload: str) -> None:
    assert to_json(message) == message.to_json() == payload
    check(type(message).__name__, json.loads(payload))


def test_the_schema_rejects_invalid_payloads() -> None:
    good = json.loads(EVENT.to_json())
    for wrong in ({"type": "begin"}, {"confidence": 1.5}, {"box": [1, 2, 3]}, {"box": [1.5, 2, 3, 4]}, {"seq": 0}):
        with pytest.raises(jsonschema.ValidationError):
            check("EmotionEvent", good | wrong)
    with pytest.raises(jsonschema.ValidationError):
        check("EmotionEvent", {key: value for key, value in good.items() if key != "replayed"})


def test_an_event_survives_serializing_and_parsing() -> None:
    for event in (EVENT, ALERT):
        payload = event.to_json()
        assert EmotionEvent.from_json(payload).to_json() == payload
    ended = EmotionEvent(type="end", track=1, ts=1.0, emotion="unknown", confidence=0.0, scores={})
    assert EmotionEvent.from_json(ended.to_json()) == ended


def test_each_event_has_a_unique_id() -> None:
    ids = {EmotionEvent(type="end", track=1, ts=1.0, emotion="sad", confidence=0.0, scores={}).id for _ in range(100)}
    assert len(ids) == 100 and all(re.fullmatch("[0-9a-f]{32}", id_) for id_ in ids)


def test_the_schema_the_asyncapi_document_and_the_tables_are_current() -> None:
    advice = "run: .venv/bin/python scripts/docs/schemas.py"
    assert schemas.SCHEMA.read_text(encoding="utf-8") == schemas.json_schema(), advice
    assert schemas.ASYNCAPI.read_text(encoding="utf-8") == schemas.asyncapi(), advice
    assert schemas.page() == EVENTS_MD, advice
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_events_md_documents_every_topic_with_a_real_payload(channel: Channel) -> None:
    address = channel.address.replace("{track}", "<track>").replace("{verb}", "<verb>")
    row = f"| `{address}` | {channel.qos} | {'yes' if channel.retain else 'no'}"
    assert row in EVENTS_MD
    section = EVENTS_MD.partition(f"\n## `{address}`\n")[2].partition("\n## ")[0]
    assert section
    if isinstance(channel.payload, type) and dataclasses.is_dataclass(channel.payload):
        (example,) = re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL)
        check(channel.payload.__name__, json.loads(example))
        assert json.loads(example).keys() == SCHEMA["$defs"][channel.payload.__name__]["properties"].keys()


def test_the_payloads_of_events_md_are_of_the_bundled_model() -> None:
    (example,) = re.findall(r"\n## `status`\n\n```json\n(.*?)```", EVENTS_MD, flags=re.DOTALL)
    assert json.loads(example)["model"]["digest"] == digest(BUNDLED), "run: .venv/bin/python scripts/docs/payloads.py"
