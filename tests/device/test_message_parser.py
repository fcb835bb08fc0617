"""Messages from outside: what the device publishes is understood, all else is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.message_parser import MAX_BYTES, MAX_TEXT, InvalidMessageError, parse_message
from device.messages import Answer, EmotionEvent, Health, OutboxFigures, Stage, Status, Summary, TrackState
from device.valence import Valence
from tests.device.fleet.helpers import JSON

SCORES = {"happy": 0.75, "sad": 0.25}
TRACK = TrackState(
    track=3, ts=12.5, emotion="happy", confidence=0.75, scores=SCORES, box=(1, 2, 30, 40), valence=Valence.of(SCORES)
)
EVENT = EmotionEvent(type="update", track=3, ts=12.5, emotion="happy", confidence=0.75, scores=SCORES, seq=7)
SUMMARY = Summary(ts=12.5, faces=2, counts={"happy": 2, "sad": 0}, mean_scores=SCORES, valence=Valence.of(SCORES))
HEALTH = Health(
    ts=1, uptime_s=2, fps=15, frames=30, skipped=0, last_frame_age_s=0.1, camera_reopenings=0,
    stages={"total": Stage(p50_ms=1, p95_ms=2, max_ms=3, n=4)}, temperature_c=None, throttling=None, memory_mb=80,
    outbox=OutboxFigures(depth=0, dropped=0, oldest_age_s=None), reconnects=0,
)  # fmt: skip
ANSWER = Answer(
    status="ok", data={"passed": True, "checks": [{"name": "model", "ms": 1.5}]}, error=None, transaction=None
)


@pytest.mark.parametrize("message", [TRACK, EVENT, SUMMARY, HEALTH, ANSWER], ids=lambda message: type(message).__name__)
def test_what_the_device_publishes_comes_back_unchanged(message: Any) -> None:
    text = message.to_json()
    assert parse_message(type(message), text.encode()) == json.loads(text)


def with_fields(**fields: Any) -> bytes:
    return json.dumps(json.loads(TRACK.to_json()) | fields).encode()


def test_a_missing_field_gets_its_default_and_an_unknown_one_is_left_out() -> None:
    values = json.loads(TRACK.to_json())
    del values["valence"], values["device"]
    parsed = parse_message(TrackState, json.dumps(values | {"picture": "AAAA"}).encode())
    assert parsed["valence"] is None and parsed["device"] is None and "picture" not in parsed
    del values["box"]
    with pytest.raises(InvalidMessageError, match="box is missing"):
        parse_message(TrackState, json.dumps(values).encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"track": 0},
        {"track": True},
        {"track": 1.5},
        {"track": 1e300},
        {"track": "1"},
        {"confidence": 1.01},
        {"confidence": None},
        {"scores": {"happy": "1"}},
        {"scores": {str(number): 0 for number in range(65)}},
        {"scores": []},
        {"box": [1, 2, 3]},
        {"box": "abcd"},
        {"box": [1, 2, 3, {"x": 1}]},
        {"emotion": None},
        {"emotion": ["happy"]},
        {"valence": {"positive": 2, "negative": 0, "neutral": 0}},
        {"valence": "good"},
    ],
)
def test_a_wrong_value_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError):
        parse_message(TrackState, with_fields(**fields))


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff", b"[]", b"null", b'"x"', b"{", b"NaN", b"1e999", b"[" * 20_000, b'{"a":' * 5000,
        with_fields(ts=float("nan")), with_fields(ts=float("inf")), with_fields(emotion="x" * MAX_BYTES),
        with_fields().replace(b"12.5", b"1e999"), with_fields().replace(b"12.5", b"9" * 5000),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        parse_message(TrackState, payload)


def test_text_is_cut_and_cannot_control_a_terminal() -> None:
    parsed = parse_message(TrackState, with_fields(emotion="\x1b[31m<b>\u202e" + "x" * 2000, device="\ud800"))
    assert parsed["emotion"].startswith(r"\x1b[31m<b>\u202e") and len(parsed["emotion"]) <= MAX_TEXT + 3
    assert parsed["device"] == r"\ud800"


def test_lenient_a_value_that_is_missing_or_invalid_is_none() -> None:
    values = {"ts": math.nan, "uptime_s": 10**400, "fps": True, "frames": -1, "memory_mb": "80", "device": "a\x1b[2J"}
    values |= {"outbox": {"depth": 2, "dropped": "no"}, "throttling": {"now": "hot"}, "stages": {"total": []}}
    parsed = parse_message(Health, json.dumps(values).encode(), lenient=True)
    assert parsed.keys() == {field.name for field in dataclasses.fields(Health)}
    assert {name for name, value in parsed.items() if value is not None} == {"device", "outbox", "throttling"}
    assert parsed["device"] == r"a\x1b[2J" and parsed["throttling"] == {"now": None, "since_boot": None}
    assert (parsed["outbox"]["depth"], parsed["outbox"]["dropped"]) == (2, None)


def test_lenient_a_word_that_this_version_does_not_know() -> None:
    payload = b'{"type": "vanished", "alert": {"kind": "sneeze", "phase": ["start"]}}'
    parsed = parse_message(EmotionEvent, payload, lenient=True)
    assert parsed["type"] == "vanished"
    assert parsed["alert"] == {"kind": "sneeze", "phase": None, "duration_s": None}


@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_lenient_any_object_is_read_and_all_else_is_refused(payload: bytes) -> None:
    try:
        is_object = isinstance(json.loads(payload), dict)
    except ValueError:
        is_object = False
    with nullcontext() if is_object else pytest.raises(InvalidMessageError):
        parse_message(Status, payload, lenient=True)


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    "payload", [b"[" * 30_000, b'{"ts":' + b"9" * 5000 + b"}", b'{"ts":"' + b"x" * MAX_BYTES + b'"}']
)
def test_a_payload_of_absurd_size_is_refused(payload: bytes, lenient: bool) -> None:
    with pytest.raises(InvalidMessageError):
        parse_message(Summary, payload, lenient)


@given(JSON, st.sampled_from([EmotionEvent, TrackState, Summary, Health, Status, Answer]))
def test_no_json_causes_another_error(value: Any, cls: type) -> None:
    with pytest.raises(InvalidMessageError):
        parse_message(cls, json.dumps(value).encode())


@given(st.dictionaries(st.sampled_from(sorted(json.loads(EVENT.to_json()))), JSON, min_size=1, max_size=3))
def test_an_event_with_changed_fields_is_refused_or_valid(changed: dict[str, Any]) -> None:
    payload = json.dumps(json.loads(EVENT.to_json()) | changed).encode()
    try:
        parsed = parse_message(EmotionEvent, payload)
    except InvalidMessageError:
        return
    json.dumps(parsed, allow_nan=False)
    assert parsed["type"] in ("start", "update", "end", "attention") and 0 <= parsed["confidence"] <= 1
