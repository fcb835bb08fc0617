"""Which purposes may run where, and what is said where only groups may be spoken of."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config import usage_policy
from device.config.schema import JURISDICTIONS, PURPOSES, DeviceConfig, PrivacyConfig, ReportConfig, load_config
from device.errors import ConfigError
from device.messages import EmotionEvent, ModelInfo, TrackState
from device.mqtt.topics import Message, Topics
from device.publishing import home_assistant
from device.publishing.face_states import AggregatePublisher, FaceStatePublisher, open_face_states
from device.publishing.json_lines import SummaryLinesPublisher
from device.publishing.publisher import open_publisher
from device.publishing.reports import CameraReport
from device.publishing.status_reporter import build_status
from device.selftest import checks

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
def test_only_school_and_work_in_the_eu_are_refused(purpose: str, jurisdiction: str) -> None:
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
    ):
        with pytest.raises(ConfigError, match=r"set device\.privacy\.exception and exception_record"):
            usage_policy.check(declared("workplace", "eu", **half))


def test_groups_are_spoken_of_as_such_unless_told_otherwise() -> None:
    by_default = {purpose for purpose in PURPOSES if usage_policy.aggregate(declared(purpose, "elsewhere"))}
    assert by_default == {"audience", "education", "workplace"}
    assert usage_policy.aggregate(load_config(overrides=["device.purpose=art", "device.privacy.aggregate=true"]))
    assert not usage_policy.aggregate(
        load_config(overrides=["device.purpose=audience", "device.privacy.aggregate=false"])
    )


def test_the_self_test_fails_on_a_prohibited_purpose_and_only_mentions_a_missing_one() -> None:
    with pytest.raises(ConfigError, match=r"Article 5\(1\)\(f\)"):
        checks.check_config(declared("education", "eu"))
    assert checks.check_config(DeviceConfig()).endswith("; purpose or jurisdiction still to be set")
    assert "still to be set" not in checks.check_config(declared("art", "eu"))


def test_every_purpose_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    assert set(rows) == set(PURPOSES)
    assert {name for name, row in rows.items() if "groups only" in row} == set(usage_policy.GROUPS)
    assert {name for name, row in rows.items() if "prohibited, see below" in row} == set(usage_policy.PROHIBITED)


def group_sizes(messages: Sequence[Message]) -> list[int]:
    assert {message.topic for message in messages} <= {f"{ROOT}/summary"}
    return [json.loads(message.payload)["faces"] for message in messages]


def test_a_crowd_says_nothing_of_few_and_the_summary_of_many() -> None:
    crowd = AggregatePublisher(TOPICS, LABELS, ReportConfig(summary_s=1.0), min_group=3)
    assert group_sizes(crowd.observe(faces(2), [], 0.0)) == []
    assert group_sizes(crowd.announce(0.5)) == []
    assert group_sizes(crowd.observe(faces(3), [], 1.0)) == [3]
    assert group_sizes(crowd.observe(faces(3, "sad"), [], 1.5)) == [], "nobody's change is told"
    assert group_sizes(crowd.announce(1.6)) == [3]
    assert group_sizes(crowd.observe([], [1], 2.0)) == []
    assert group_sizes(crowd.observe([], [2, 3], 3.0)) == []


@given(st.lists(st.tuples(st.integers(0, 8), st.sets(st.integers(1, 8))), max_size=60), st.integers(2, 6))
def test_whatever_happens_a_crowd_speaks_of_groups_only(steps: list[tuple[int, set[int]]], min_group: int) -> None:
    crowd = AggregatePublisher(TOPICS, LABELS, ReportConfig(summary_s=0.5), min_group)
    for n, (count, ended) in enumerate(steps):
        for messages in (crowd.observe(faces(count), ended, n / 10), crowd.announce(n / 10)):
            assert all(size >= min_group for size in group_sizes(messages))


def test_a_crowd_clears_what_a_presence_left_at_the_broker() -> None:
    stale = AggregatePublisher(TOPICS, LABELS, ReportConfig(), 3).correction(f"{ROOT}/tracks/9/state", b"{}")
    assert stale is not None and (stale.payload, stale.retain) == ("", True)


def test_the_settings_choose_the_presence() -> None:
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


def test_home_assistant_is_offered_no_events_and_forgets_a_group_that_fell_silent() -> None:
    entities = home_assistant.payload(CONFIG, TOPICS, build_status(CONFIG, MODEL, CameraReport("running")))["cmps"]
    assert "event" not in entities
    assert entities["faces"]["expire_after"] == entities["mood"]["expire_after"] == 3
