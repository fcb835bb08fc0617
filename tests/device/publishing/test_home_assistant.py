"""Home Assistant's discovery payload, and its templates against what the device says."""

from __future__ import annotations

import dataclasses
import datetime
import json
from types import SimpleNamespace
from typing import Any

import pytest

from device.config.schema import load_config
from device.errors import ConfigError
from device.messages import (
    AttentionAlert,
    EmotionEvent,
    GroupAttention,
    Health,
    ModelInfo,
    ModelName,
    ModelUpdate,
    OutboxFigures,
    Summary,
    Throttling,
)
from device.mqtt.connection import packet_bytes
from device.mqtt.topics import Topics
from device.publishing import home_assistant
from device.publishing.reports import CameraReport
from device.publishing.status_reporter import build_status
from device.valence import Valence

CONFIG = load_config(overrides=["device.id=Front-Door", "device.mqtt.host=broker", "device.attention.enabled=true"])
STATUS = build_status(
    CONFIG, ModelInfo(name="compact", version="3", digest="ab", labels=("happy", "sad")), CameraReport("running")
)
PAYLOAD = home_assistant.payload(CONFIG, Topics(CONFIG), STATUS)
ENTITIES: dict[str, dict[str, Any]] = {
    name: entity for name, entity in PAYLOAD["cmps"].items() if name not in home_assistant.REMOVED
}


NEW, OLD = (ModelName(name="compact", version=version, digest=8 * version + "...") for version in "32")


@pytest.mark.parametrize(
    ("update", "wanted"),
    [
        (None, ("3 (ab)", "3 (ab)", False, "")),
        (
            ModelUpdate(state="trial", new=NEW, old=OLD, reason=None, since=1.0),
            ("2 (22222222)", "3 (33333333)", True, ""),
        ),
        (
            ModelUpdate(state="refused", new=OLD, old=NEW, reason="it is 'blind'.", since=1.0),
            ("3 (ab)", "3 (ab)", False, "refused: it is 'blind'."),
        ),
        (
            ModelUpdate(state="rolled_back", new=OLD, old=NEW, reason="x" * 500, since=1.0),
            ("3 (ab)", "3 (ab)", False, "rolled_back: " + "x" * 242),
        ),
        (ModelUpdate(state="accepted", new=NEW, old=OLD, reason=None, since=1.0), ("3 (ab)", "3 (ab)", False, "")),
    ],
)
def test_the_model_as_an_update(update: ModelUpdate | None, wanted: tuple[str, str, bool, str]) -> None:
    said = dataclasses.replace(STATUS, model_update=update).to_json()
    told = json.loads(rendered("model", said))
    assert (
        tuple(told[key] for key in ("installed_version", "latest_version", "in_progress", "release_summary")) == wanted
    )
    assert told["title"] == "compact"
    attributes = json.loads(rendered("model", said, "json_attributes_template"))
    assert attributes.get("reason") == (update and update.reason)


def rendered(entity: str, said: str, which: str = "value_template") -> str:
    jinja2 = pytest.importorskip("jinja2", reason="jinja2, which Home Assistant's templates are written in, is missing")
    template = jinja2.Environment().from_string(ENTITIES[entity][which])
    return str(template.render(value_json=json.loads(said)))


def test_the_message_is_where_home_assistant_looks_and_stays_there() -> None:
    (message,) = home_assistant.messages(CONFIG, Topics(CONFIG), STATUS)
    assert (message.topic, message.qos, message.retain) == ("homeassistant/device/Front-Door/config", 1, True)
    assert json.loads(message.payload) == PAYLOAD
    assert home_assistant.birth_topic(CONFIG) == "homeassistant/status"


def test_it_can_be_turned_off() -> None:
    off = load_config(overrides=["device.mqtt.discovery_prefix=null"])
    assert home_assistant.messages(off, Topics(off), STATUS) == []
    assert home_assistant.birth_topic(off) is None


def test_a_prefix_that_is_no_topic_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"device\.mqtt\.discovery_prefix is 'ha/#'"):
        home_assistant.birth_topic(load_config(overrides=["device.mqtt.discovery_prefix='ha/#'"]))


def test_what_home_assistant_demands_is_there() -> None:
    assert PAYLOAD["dev"]["identifiers"] and PAYLOAD["o"]["name"]
    assert PAYLOAD["availability_topic"] == "emotion/Front-Door/availability"
    assert len({entity["unique_id"] for entity in ENTITIES.values()}) == len(ENTITIES)
    for entity in ENTITIES.values():
        assert entity["platform"] in ("sensor", "binary_sensor", "event", "switch", "update")
        assert entity["state_topic"].startswith("emotion/Front-Door/")
        platform, name = entity["default_entity_id"].split(".")
        assert platform == entity["platform"]
        assert name.replace("_", "").isalnum() and name == name.lower()


def test_the_buttons_of_earlier_versions_are_removed() -> None:
    assert {name: PAYLOAD["cmps"][name] for name in ("pause", "resume")} == {
        name: {"platform": "button"} for name in ("pause", "resume")
    }


@pytest.mark.parametrize("limit", [None, 10_000, 3000, 2048, 1400])
def test_it_is_divided_where_the_broker_takes_no_packet_as_large(limit: int | None) -> None:
    parts = home_assistant.messages(CONFIG, Topics(CONFIG), STATUS, limit)
    assert all(limit is None or packet_bytes(part) <= limit for part in parts)
    assert (len(parts) == 1) == (limit in (None, 10_000))
    documents = [json.loads(part.payload) for part in parts]
    assert [name for document in documents for name in document["cmps"]] == list(PAYLOAD["cmps"])
    assert all(document | {"cmps": None} == PAYLOAD | {"cmps": None} for document in documents), "one device"
    assert len({part.topic for part in parts}) == len(parts)


def test_the_switch_is_off_while_the_camera_is_paused() -> None:
    switch = ENTITIES["camera_switch"]
    for camera, state in (("paused", "OFF"), ("running", "ON"), ("failed", "ON")):
        said = STATUS.to_json().replace('"camera":"running"', f'"camera":"{camera}"')
        assert rendered("camera_switch", said) == state
        assert state in (switch["state_on"], switch["state_off"])
    assert switch["command_topic"] == "emotion/Front-Door/cmd/request/camera"


def test_in_aggregate_mode_nobody_can_be_told_from_too_few() -> None:
    groups = load_config(overrides=["device.id=hall", "device.privacy.aggregate=true"])
    entities = home_assistant.payload(groups, Topics(groups), STATUS)["cmps"]
    assert "state_topic" in entities["faces"]
    assert entities["event"] == {"platform": "event"} and entities["occupancy"] == {"platform": "binary_sensor"}


def test_attention_of_a_group_has_no_alerts_and_expires() -> None:
    groups = load_config(overrides=["device.id=hall", "device.privacy.aggregate=true", "device.attention.enabled=true"])
    entities = home_assistant.payload(groups, Topics(groups), STATUS)["cmps"]
    assert entities["alert"] == {"platform": "event"}
    assert all(entities[name]["expire_after"] == 3 for name in (*SHARES, "valence"))


def test_without_attention_its_entities_are_removed() -> None:
    """Home Assistant may have them, for attention may have been on before."""
    off = load_config(overrides=["device.id=hall"])
    entities = home_assistant.payload(off, Topics(off), STATUS)["cmps"]
    assert "state_topic" in entities["valence"] and entities["alert"] == {"platform": "event"}
    assert all(entities[name] == {"platform": "sensor"} for name in SHARES)


SHARES = ("attention", "looking_away", "eyes_closed", "yawning")


@pytest.mark.parametrize(
    ("attention", "wanted"),
    [
        (GroupAttention(measured=2, facing=0.82, looking_away=0.5, eyes_closed=0.0, yawning=1.0), "80 50 0 100"),
        (GroupAttention(measured=1, facing=0.83), "85 None None None"),
        (None, "None None None None"),
    ],
)
def test_attention_in_percent(attention: GroupAttention | None, wanted: str) -> None:
    said = Summary(ts=1.0, faces=2, counts={}, mean_scores=None, attention=attention).to_json()
    assert " ".join(rendered(name, said) for name in SHARES) == wanted
    for name in SHARES:
        assert ENTITIES[name]["unit_of_measurement"] == "%" and ENTITIES[name]["icon"].startswith("mdi:")


@pytest.mark.parametrize(
    ("valence", "wanted"),
    [(Valence(positive=0.12, negative=0.6, neutral=0.28), "-50"), (Valence(positive=1, negative=0, neutral=0), "100"),
     (None, "None")],
)  # fmt: skip
def test_the_mood_in_percent(valence: Valence | None, wanted: str) -> None:
    assert (
        rendered("valence", Summary(ts=1.0, faces=1, counts={}, mean_scores=None, valence=valence).to_json()) == wanted
    )


def test_alerts_and_expressions_go_to_an_entity_each() -> None:
    plain = EmotionEvent(seq=9, type="end", track=1, ts=1.0, emotion="sad", confidence=0.5, scores={})
    told = AttentionAlert(kind="drowsy", phase="end", duration_s=3.5)
    alert = dataclasses.replace(plain, type="attention", alert=told).to_json()
    assert rendered("alert", plain.to_json()) == "" and rendered("event", alert) == ""
    said = json.loads(rendered("alert", alert))
    assert said["event_type"] in ENTITIES["alert"]["event_types"]
    assert (said["event_type"], said["phase"], said["duration_s"], said["replayed"]) == ("drowsy", "end", 3.5, False)


@pytest.mark.parametrize(
    ("state", "attributes", "age_s", "wanted"),
    [
        ("1", {"counts": {"happy": 1}}, 3, {"happy": 1}),  # the same number, and fresh: nothing is stored
        ("1", {"counts": {"happy": 1}}, 11, {"sad": 1}),
        ("2", {"counts": {"happy": 2}}, 3, {"sad": 1}),  # another number is stored anyway
        ("unknown", {}, 3, {"sad": 1}),
    ],
)
def test_attributes_change_with_the_number_of_faces_or_once_in_ten_seconds(
    state: str, attributes: dict[str, Any], age_s: int, wanted: dict[str, int]
) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="jinja2, which Home Assistant's templates are written in, is missing")
    now = datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC)
    this = SimpleNamespace(state=state, attributes=attributes, last_updated=now - datetime.timedelta(seconds=age_s))
    template = jinja2.Environment().from_string(ENTITIES["faces"]["json_attributes_template"])
    said = {"faces": 1, "counts": {"sad": 1}, "ts": 1.0, "mean_scores": {"sad": 0.9}}
    assert json.loads(template.render(value_json=said, this=this, now=lambda: now)) == {"counts": wanted}


def test_the_event_entity_gets_one_of_its_types() -> None:
    event = EmotionEvent(
        seq=9, type="update", track=1, ts=1.0, emotion="sad", confidence=0.5, scores={}, previous="happy"
    )
    said = json.loads(rendered("event", event.to_json()))
    assert said["event_type"] in ENTITIES["event"]["event_types"]
    assert (said["emotion"], said["previous"], said["seq"]) == ("sad", "happy", 9)


@pytest.mark.parametrize(
    ("counts", "mood"),
    [
        ({"happy": 1, "sad": 2, "unknown": 0}, "sad"),
        ({"happy": 1, "sad": 1, "unknown": 0}, "happy"),
        ({"happy": 0, "sad": 0, "unknown": 3}, "unknown"),
        ({"happy": 0, "sad": 0, "unknown": 0}, "nobody"),
    ],
)
def test_the_most_frequent_expression(counts: dict[str, int], mood: str) -> None:
    said = Summary(ts=1.0, faces=sum(counts.values()), counts=counts, mean_scores=None).to_json()
    assert rendered("mood", said) == mood
    assert mood in ENTITIES["mood"]["options"]
    assert rendered("faces", said) == str(sum(counts.values()))
    assert rendered("occupancy", said) == ("ON" if sum(counts.values()) else "OFF")


@pytest.mark.parametrize(
    ("throttling", "state"),
    [
        (None, "OFF"),
        (Throttling(now=(), since_boot=("throttled",)), "OFF"),
        (Throttling(now=("x",), since_boot=()), "ON"),
    ],
)
def test_diagnostics(throttling: Throttling | None, state: str) -> None:
    said = Health(
        ts=1.0,
        uptime_s=1.0,
        fps=14.5,
        frames=1,
        skipped=0,
        last_frame_age_s=0.0,
        camera_reopenings=0,
        stages={},
        temperature_c=48.0,
        throttling=throttling,
        memory_mb=90.0,
        outbox=OutboxFigures(depth=2, bytes=900, dropped=1, oldest_age_s=3.0, held=0, trouble=None, damaged=0),
        reconnects=0,
    ).to_json()
    assert rendered("throttled", said) == state
    assert rendered("storage", said) == "OFF"
    assert rendered("storage", said.replace('"trouble":null', '"trouble":"the disk is full"')) == "ON"
    assert [rendered(name, said) for name in ("fps", "temperature", "waiting", "dropped")] == ["14.5", "48.0", "2", "1"]
    assert rendered("camera", STATUS.to_json()) == "ON"
