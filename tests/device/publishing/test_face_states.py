"""Track states and summaries: on change, before they expire, on time, cleared."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import ReportConfig, load_config
from device.messages import TrackState
from device.mqtt.topics import Message, Topics
from device.publishing.face_states import AggregatePublisher, FaceStatePublisher
from device.valence import Valence

LABELS = ("happy", "sad")
TOPICS = Topics(load_config(overrides=["device.id=porch"]))


def face(track: int, emotion: str = "happy") -> TrackState:
    scores = {"happy": 0.75, "sad": 0.25}
    return TrackState(track=track, ts=1.0, emotion=emotion, confidence=0.75, scores=scores, box=(0, 0, 1, 1))


@given(st.text(max_size=40), st.binary(max_size=40))
def test_whatever_comes_on_a_topic_of_ours_is_corrected_or_passed_over(topic: str, payload: bytes) -> None:
    """A stranger may write what he likes where the states of faces stand."""
    face_states = FaceStatePublisher(TOPICS, LABELS, ReportConfig())
    for heard in (topic, f"emotion/porch/tracks/{topic}/state", "emotion/porch/tracks/7/state"):
        said = face_states.correction(heard, payload)
        assert said is None or (said.payload == "" and TOPICS.track_of(said.topic) is not None)


def spoken(messages: list[Message]) -> list[tuple[str, str]]:
    """Channel and what matters of each payload."""
    said = []
    for message in messages:
        values = json.loads(message.payload) if message.payload else {}
        said.append((message.topic.removeprefix("emotion/porch/"), str(values.get("emotion", values.get("faces", "")))))
    return said


def test_a_face_is_said_on_change_refreshed_before_it_expires_and_cleared() -> None:
    face_states = FaceStatePublisher(TOPICS, LABELS, ReportConfig(summary_s=1000.0, track_expiry_s=60.0))
    state = "tracks/1/state"
    assert spoken(face_states.observe([face(1)], [], 0.0)) == [(state, "happy"), ("summary", "1")]
    assert spoken(face_states.observe([face(1)], [], 29.0)) == []
    assert spoken(face_states.observe([face(1, "sad")], [], 29.5)) == [(state, "sad")]
    assert spoken(face_states.observe([face(1, "sad")], [], 59.0)) == []
    assert spoken(face_states.observe([face(1, "sad")], [], 59.5)) == [(state, "sad")]
    assert spoken(face_states.observe([], [1], 60.0)) == [(state, ""), ("summary", "0")]
    assert spoken(face_states.observe([], [1], 61.0)) == []


def test_a_face_that_hides_for_a_moment_is_still_counted() -> None:
    face_states = FaceStatePublisher(TOPICS, LABELS, ReportConfig(summary_s=1.0))
    face_states.observe([face(1), face(2, "sad")], [], 0.0)
    (summary,) = face_states.observe([face(1)], [], 1.0)
    said = json.loads(summary.payload)
    assert (said["faces"], said["counts"]) == (2, {"happy": 1, "sad": 1, "unknown": 0})
    assert said["mean_scores"] == {"happy": 0.75, "sad": 0.25}


@pytest.mark.parametrize(("named", "min_group", "wanted"), [(3, 3, 0.75), (2, 3, None), (1, 1, 0.75), (0, 1, None)])
def test_the_mood_of_a_summary_is_of_faces_with_an_emotion_and_of_no_single_one_of_a_group(
    named: int, min_group: int, wanted: float | None
) -> None:
    """The scores of a face that was not read are spread over all labels, mostly negative ones."""
    states = (
        FaceStatePublisher(TOPICS, LABELS, ReportConfig())
        if min_group == 1
        else AggregatePublisher(TOPICS, LABELS, ReportConfig(), min_group)
    )
    happy, unread = Valence.of({"happy": 0.75, "sad": 0.25}), Valence.of({"happy": 0.5, "sad": 0.5})
    faces = [dataclasses.replace(face(track), valence=happy) for track in range(named)]
    faces += [dataclasses.replace(face(9 + track, "unknown"), valence=unread) for track in range(3)]
    (summary,) = [each for each in states.observe(faces, [], 0.0) if each.topic.endswith("summary")]
    values = json.loads(summary.payload)
    assert (values["valence"] and values["valence"]["positive"]) == wanted
    too_few_of_a_group = min_group > 1 and named < min_group
    assert (values["mean_scores"] is None) == too_few_of_a_group
    assert min_group == 1 or too_few_of_a_group or values["mean_scores"]["happy"] == 0.75


@given(st.lists(st.floats(0.01, 0.3), min_size=50, max_size=200))
def test_summaries_keep_their_pace_whatever_the_frames_do(waits: list[float]) -> None:
    face_states = FaceStatePublisher(TOPICS, LABELS, ReportConfig(summary_s=1.0, track_expiry_s=86400.0))
    times = list(itertools.accumulate(waits, initial=100.0))
    said = [now for now in times for topic, _ in spoken(face_states.observe([face(1)], [], now)) if topic == "summary"]
    lasted = times[-1] - times[0]
    assert lasted - 1.3 <= len(said) <= lasted + 1


def test_what_stands_at_the_broker_and_is_not_here_is_cleared() -> None:
    face_states = FaceStatePublisher(TOPICS, LABELS, ReportConfig())
    face_states.observe([face(1)], [], 0.0)
    stale = face_states.correction("emotion/porch/tracks/9/state", b"{}")
    assert stale is not None and (stale.payload, stale.retain) == ("", True)
    assert face_states.correction("emotion/porch/tracks/1/state", b"{}") is None
    assert face_states.correction("emotion/porch/tracks/9/state", b"") is None
    assert face_states.correction("homeassistant/status", b"online") is None
