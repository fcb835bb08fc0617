"""In aggregate mode nothing of one person's attention leaves, whatever is known of whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.attention import group_attention
from device.config.schema import DeviceConfig, load_config
from device.messages import AttentionState, TrackState
from device.mqtt.topics import Topics
from device.publishing.face_states import AggregatePublisher, FaceStatePublisher, open_face_states

LABELS = ("happy", "sad")
MIN_GROUP = 3
MEANS = ("facing", "eye_openness", "mouth_openness", "looking_away", "eyes_closed", "yawning")

shares = st.none() | st.floats(0, 1)
flags = st.none() | st.booleans()
states = st.none() | st.builds(
    AttentionState,
    yaw_deg=st.floats(-90, 90),
    facing=shares,
    eye_openness=shares,
    mouth_openness=shares,
    perclos=shares,
    eyes_closed=flags,
    yawning=flags,
    looking_away=flags,
)


def settings(*more: str) -> DeviceConfig:
    group = ("purpose=audience", "jurisdiction=eu", f"privacy.min_group={MIN_GROUP}", "attention.enabled=true")
    return load_config(overrides=[f"device.{text}" for text in ("id=porch", *group, *more)])


def publisher(*more: str) -> FaceStatePublisher:
    config = settings(*more)
    return open_face_states(config, Topics(config), LABELS)


def face(track: int, attention: AttentionState | None) -> TrackState:
    scores = {"happy": 0.75, "sad": 0.25}
    return TrackState(
        track=track,
        ts=1.0,
        emotion="happy",
        confidence=0.75,
        scores=scores,
        box=(0, 0, 1, 1),
        attention=attention,
    )


def assert_only_of_groups(topic: str, message: dict[str, Any], seen: list[AttentionState | None]) -> None:
    """No topic but the summary, and no value of it that fewer faces than a group have."""
    assert topic == "emotion/porch/summary"
    assert message["faces"] == len(seen) >= MIN_GROUP
    known = [state for state in seen if state is not None]
    attention = message["attention"]
    if sum(state.facing is not None for state in known) < MIN_GROUP:
        assert attention is None
        return
    assert set(attention) == {"measured", *MEANS}
    assert attention["measured"] >= MIN_GROUP
    for name in MEANS:
        values = [float(getattr(state, name)) for state in known if getattr(state, name) is not None]
        assert (attention[name] is not None) is (len(values) >= MIN_GROUP), name
        if attention[name] is not None:
            assert attention[name] == pytest.approx(sum(values) / len(values), abs=0.0051)


@given(st.lists(st.lists(states, max_size=MIN_GROUP + 4), min_size=1, max_size=5))
def test_nothing_of_one_person_leaves(frames: list[list[AttentionState | None]]) -> None:
    group = publisher()
    assert isinstance(group, AggregatePublisher)
    before = 0
    for n, seen in enumerate(frames):
        ended = range(len(seen), before)  # so many are left in view
        sent = group.observe([face(track, state) for track, state in enumerate(seen)], ended, 10.0 * n)
        for message in [*sent, *group.announce(10.0 * n)]:
            assert_only_of_groups(message.topic, json.loads(message.payload), seen)
        before = len(seen)


@pytest.mark.parametrize("faces", range(8))
def test_from_no_face_to_many(faces: int) -> None:
    state = AttentionState(facing=0.5, eye_openness=0.5, eyes_closed=True)
    sent = publisher().observe([face(track, state) for track in range(faces)], (), 1.0)
    assert len(sent) == (faces >= MIN_GROUP)
    for message in sent:
        assert json.loads(message.payload)["attention"] == {
            "measured": faces,
            "facing": 0.5,
            "eye_openness": 0.5,
            "mouth_openness": None,
            "looking_away": None,
            "eyes_closed": 1.0,
            "yawning": None,
        }


def test_one_measured_face_among_many_is_not_told() -> None:
    known = AttentionState(facing=0.5, eye_openness=0.5)
    only_head = AttentionState(facing=0.9)
    assert group_attention([known, None, None, None], MIN_GROUP) is None
    told = group_attention([known, only_head, only_head, None], MIN_GROUP)
    assert told is not None and told.facing is not None and told.eye_openness is None


def test_where_single_faces_are_published_each_state_has_its_attention() -> None:
    state = AttentionState(yaw_deg=12.0, facing=0.9, eyes_closed=False)
    single = publisher("privacy.aggregate=false", "privacy.exception=safety", "privacy.exception_record=DPIA-7")
    told, summary = (json.loads(message.payload) for message in single.observe([face(1, state)], (), 1.0))
    assert told["attention"]["yaw_deg"] == 12.0
    assert summary["attention"]["measured"] == 1


def test_a_state_is_sent_again_with_new_values_and_at_once_with_an_alert() -> None:
    single = publisher("purpose=driver", "report.summary_s=1")
    states_sent = []
    for time_s, closed in ((0.0, False), (0.2, False), (0.4, True), (0.6, True), (1.5, True)):
        sent = single.observe([face(1, AttentionState(facing=0.9, eyes_closed=closed))], (), 100 + time_s)
        states_sent.append(sum("tracks" in message.topic for message in sent))
    assert states_sent == [1, 0, 1, 0, 1]
