"""Which purposes may run where, and what is published where only groups may be."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config import usage_policy
from device.config.purposes import JURISDICTIONS, PURPOSES
from device.config.schema import DeviceConfig, PrivacyConfig, ReportConfig, load_config
from device.errors import ConfigError
from device.messages import EmotionEvent, ModelInfo, TrackState
from device.mqtt.topics import Message, Topics
from device.publishing import home_assistant
from device.publishing.face_states import AggregatePublisher, FaceStatePublisher, open_face_states
from device.publishing.json_lines import SummaryLinesPublisher
from device.publishing.publisher import open_publisher
from device.publishing.reports import CameraReport
from device.publishing.status_reporter import build_status
from device.selftest.checks import Context, check_config
from scripts.docs.config_yaml import PRIVACY, current_privacy

LABELS = ("happy", "sad")
MODEL = ModelInfo(name="m", version="1", digest="", labels=LABELS)
CONFIG = load_config(overrides=["device.id=porch", "device.purpose=audience", "device.jurisdiction=eu"])
TOPICS = Topics(CONFIG)
ROOT = "emotion/porch"


def declared(purpose: str | None, jurisdiction: str | None, **more: str | None) -> DeviceConfig:
    return DeviceConfig(purpose=purpose, jurisdiction=jurisdiction, privacy=PrivacyConfig(**more))  # type: ignore[arg-type]


def faces(count: int, emotion: str = "happy") -> list[TrackState]:
    scores = {"happy": 0.75, "sad": 0.25}
    return [
        TrackState(track=track, ts=1.0, emotion=emotion, confidence=0.75, scores=scores, box=(0, 0, 1, 1))
        for track in range(1, count + 1)
    ]


@pytest.mark.parametrize(("purpose", "jurisdiction"), list(itertools.product(PURPOSES, JURISDICTIONS)))
def test_only_education_and_workplace_in_the_eu_are_refused(purpose: str, jurisdiction: str) -> None:
    config = declared(purpose, jurisdiction)
    if jurisdiction == "eu" and purpose in ("education", "workplace"):
        with pytest.raises(ConfigError, match=r"Article 5\(1\)\(f\) of the EU AI Act .* prohibits inferring emotions"):
            usage_policy.check(config)
    else:
        usage_policy.check(config)


@pytest.mark.parametrize("reason", ["medical", "safety"])
def test_a_recorded_reason_permits_it_and_half_of_one_does_not(reason: str) -> None:
    usage_policy.check(declared("workplace", "eu", exception=reason, exception_record="DPIA 7/2026"))
    for half in (
        {"exception": reason},
        {"exception_record": "DPIA 7/2026"},
        {"exception": reason, "exception_record": " "},
        {"exception": reason, "exception_record": "\u200b"},
        {"exception": reason, "exception_record": "--"},
    ):
        with pytest.raises(ConfigError, match=r"set device\.privacy\.exception and exception_record"):
            usage_policy.check(declared("workplace", "eu", **half))


def test_some_purposes_publish_groups_only_unless_set_otherwise() -> None:
    by_default = {purpose for purpose in PURPOSES if usage_policy.aggregate(declared(purpose, "elsewhere"))}
    assert by_default == {name for name, purpose in PURPOSES.items() if purpose.groups_only}
    assert by_default >= {"audience", "education", "workplace"}
    assert usage_policy.aggregate(load_config(overrides=["device.purpose=art", "device.privacy.aggregate=true"]))
    assert not usage_policy.aggregate(
        load_config(overrides=["device.purpose=audience", "device.privacy.aggregate=false"])
    )


def test_the_self_test_fails_on_a_prohibited_purpose_and_only_mentions_a_missing_one() -> None:
    with pytest.raises(ConfigError, match=r"Article 5\(1\)\(f\)"):
        check_config(Context(declared("education", "eu")))
    assert check_config(Context(DeviceConfig())).endswith("; purpose or jurisdiction still to be set")
    assert "still to be set" not in check_config(Context(declared("art", "eu")))


def test_the_table_of_purposes_is_current() -> None:
    text = PRIVACY.read_text(encoding="utf-8")
    assert text == current_privacy(), "run: .venv/bin/python -m scripts.docs.config_yaml"
    assert "| `workplace` | employees, applicants, a call centre, a cab | groups only | prohibited, see below |" in text


def group_sizes(messages: Sequence[Message]) -> list[int]:
    assert {message.topic for message in messages} <= {f"{ROOT}/summary"}
    return [json.loads(message.payload)["faces"] for message in messages]


def test_a_summary_is_published_for_large_groups_only() -> None:
    publisher = AggregatePublisher(TOPICS, LABELS, ReportConfig(summary_s=1.0), min_group=3)
    assert group_sizes(publisher.observe(faces(2), [], 0.0)) == []
    assert group_sizes(publisher.announce(0.5)) == []
    assert group_sizes(publisher.observe(faces(3), [], 1.0)) == [3]
    assert group_sizes(publisher.observe(faces(3, "sad"), [], 1.5)) == [], "no single change is published"
    assert group_sizes(publisher.announce(1.6)) == [3]
    assert group_sizes(publisher.observe([], [1], 2.0)) == []
    assert group_sizes(publisher.observe([], [2, 3], 3.0)) == []


@given(st.lists(st.tuples(st.integers(0, 8), st.sets(st.integers(1, 8))), max_size=60), st.integers(2, 6))
def test_the_aggregate_publisher_only_publishes_groups(steps: list[tuple[int, set[int]]], min_group: int) -> None:
    publisher = AggregatePublisher(TOPICS, LABELS, ReportConfig(summary_s=0.5), min_group)
    for n, (count, ended) in enumerate(steps):
        for messages in (publisher.observe(faces(count), ended, n / 10), publisher.announce(n / 10)):
            assert all(size >= min_group for size in group_sizes(messages))


def test_the_publisher_knows_whether_there_is_a_group() -> None:
    publisher = AggregatePublisher(TOPICS, LABELS, ReportConfig(), 3)
    found = [publisher.below_min_group]
    publisher.observe(faces(3), [], 0.0)
    found.append(publisher.below_min_group)
    publisher.observe([], [1], 1.0)
    assert [*found, publisher.below_min_group] == [True, False, True]
    assert FaceStatePublisher(TOPICS, LABELS, ReportConfig()).below_min_group is None


def test_who_waits_for_single_faces_is_told_why_there_are_none() -> None:
    note = usage_policy.note(CONFIG)
    assert note is not None and "audience" in note and "fewer than 5 faces" in note
    assert usage_policy.note(declared("home", "eu")) is None
    asked = load_config(overrides=["device.purpose=home", "device.privacy.aggregate=true"])
    assert "device.privacy.aggregate is set" in str(usage_policy.note(asked))


def test_the_aggregate_publisher_clears_the_states_of_faces() -> None:
    """Also where a face of the same number is in view: numbers begin again with each start."""
    publisher = AggregatePublisher(TOPICS, LABELS, ReportConfig(), 3)
    publisher.observe(faces(2), [], 0.0)
    for number in (1, 9):
        stale = publisher.correction(f"{ROOT}/tracks/{number}/state", b"{}")
        assert stale is not None and (stale.payload, stale.retain) == ("", True)
    assert publisher.correction(f"{ROOT}/tracks/9/state", b"") is None


def test_the_settings_choose_the_publisher() -> None:
    assert isinstance(open_face_states(CONFIG, TOPICS, LABELS), AggregatePublisher)
    assert type(open_face_states(declared("art", "eu"), TOPICS, LABELS)) is FaceStatePublisher


def test_without_a_broker_the_lines_are_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    publisher = open_publisher(CONFIG, MODEL)
    assert isinstance(publisher, SummaryLinesPublisher)
    event = EmotionEvent(type="start", track=1, ts=1.0, emotion="happy", confidence=0.5, scores={})
    publisher.publish([event], faces(4))
    assert capsys.readouterr().out == ""
    publisher._face_states._summary_due_s = 0.0
    publisher.publish([event], faces(5))
    assert json.loads(capsys.readouterr().out)["faces"] == 5


def test_home_assistant_gets_no_events_and_its_summary_expires() -> None:
    entities = home_assistant.payload(CONFIG, TOPICS, build_status(CONFIG, MODEL, CameraReport("running")))["cmps"]
    assert entities["event"] == {"platform": "event"}  # removes one of other settings
    assert entities["faces"]["expire_after"] == entities["mood"]["expire_after"] == 3


@pytest.mark.parametrize("purpose", [name for name, each in PURPOSES.items() if each.groups_only])
def test_attention_of_single_people_in_a_group_needs_a_recorded_reason(purpose: str) -> None:
    attention = ("attention.enabled=true", "jurisdiction=elsewhere", f"purpose={purpose}")
    usage_policy.check(load_config(overrides=[f"device.{text}" for text in attention]))  # groups only
    single = (*attention, "privacy.aggregate=false")
    with pytest.raises(ConfigError, match="attention of single people"):
        usage_policy.check(load_config(overrides=[f"device.{text}" for text in single]))
    recorded = (*single, "privacy.exception=safety", "privacy.exception_record=DPIA-7")
    usage_policy.check(load_config(overrides=[f"device.{text}" for text in recorded]))


def test_attention_needs_the_face_check() -> None:
    with pytest.raises(ConfigError, match="face_check"):
        load_config(overrides=["device.attention.enabled=true", "device.face_check.enabled=false"])
