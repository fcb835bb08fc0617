"""What `device watch` reads from messages, whoever sent them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.watch.parsing import MAX_LABEL, to_event, to_face, to_summary

KEYS = st.sampled_from(
    ["type", "track", "ts", "emotion", "previous", "confidence", "faces", "counts", "valence", "attention", "alert",
     "kind", "phase", "facing", "yaw_deg", "looking_away", "positive", "negative", "replayed"]
)  # fmt: skip
VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.lists(st.none(), max_size=2)
MESSAGE = st.dictionaries(KEYS, VALUE | st.dictionaries(KEYS, VALUE, max_size=5), max_size=9)


def to_bytes(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


@settings(max_examples=50)
@given(MESSAGE)
def test_no_message_raises_and_no_text_controls_a_terminal(message: dict[str, Any]) -> None:
    payload = to_bytes(message)
    face, summary, event = to_face(1, payload), to_summary(payload), to_event(payload)
    for text in (face.emotion, str(face.attention), str(summary), event.text):
        assert text.isprintable() and len(text) < 400
    assert face.confidence is None or 0 <= face.confidence <= 1


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"type": "start", "track": 3, "emotion": "unknown", "confidence": 0.14}, "face 3 appeared: unknown 0.14"),
        (
            {"type": "update", "track": 3, "previous": "unknown", "emotion": "happy", "confidence": 0.714},
            "face 3: unknown -> happy 0.71",
        ),
        ({"type": "end", "track": 3, "emotion": "happy", "confidence": 1}, "face 3 left: happy 1.00"),
        (
            {"type": "attention", "track": 3, "alert": {"kind": "eyes_closed", "phase": "start", "duration_s": 0.5}},
            "face 3: eyes closed",
        ),
        (
            {"type": "attention", "track": 3, "alert": {"kind": "drowsy", "phase": "end", "duration_s": 3.14}},
            "face 3: drowsy ended after 3.1 s",
        ),
        ({"type": "end", "track": 3, "emotion": "sad", "replayed": True}, "face 3 left: sad (happened earlier)"),
        ({"type": "\x1b[2J" + "x" * 99}, r"face ?: \x1b[2J" + "x" * (MAX_LABEL - 7)),
    ],
)
def test_an_event_in_words(message: dict[str, Any], text: str) -> None:
    event = to_event(to_bytes(message))
    assert event.text == text and event.alert == (message["type"] == "attention")


def test_a_face_with_attention() -> None:
    attention = {"yaw_deg": -31.6, "pitch_deg": 2, "facing": 0.5, "eye_openness": 0.9, "perclos": 0.0,
                 "looking_away": True, "eyes_closed": False, "yawning": None}  # fmt: skip
    face = to_face(2, to_bytes({"emotion": "sad", "confidence": 0.8, "attention": attention}))
    assert str(face.attention) == "looking away, facing 0.50, yaw -32, pitch +2, eyes 0.90, PERCLOS 0.00"
    assert str(to_face(2, b'{"attention": {"facing": null}}').attention) == "not measured now"
    assert to_face(2, b'{"attention": null}').attention is None


def test_a_group() -> None:
    message = {
        "faces": 6,
        "counts": {"happy": 2, "sad": 4, "angry": 0},
        "valence": {"positive": 0.25, "negative": 0.5},
        "attention": {"measured": 6, "facing": 0.81, "looking_away": 0.33, "eyes_closed": 0.0},
    }
    assert str(to_summary(to_bytes(message))) == "6 faces: 4 sad, 2 happy; mood -0.25; looking away 33%, facing 0.81"
    assert str(to_summary(b'{"faces": 1, "counts": {}, "valence": null}')) == "1 face"
