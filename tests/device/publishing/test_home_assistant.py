"""Home Assistant's discovery payload, and its templates against what the device says."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from device.config.schema import load_config
from device.errors import ConfigError
from device.messages import EmotionEvent, Health, ModelInfo, ModelName, ModelUpdate, OutboxFigures, Summary, Throttling
from device.mqtt.topics import Topics
from device.publishing import home_assistant
from device.publishing.reports import CameraReport
from device.publishing.status_reporter import build_status

CONFIG = load_config(overrides=["device.id=Front-Door", "device.mqtt.host=broker"])
STATUS = build_status(
    CONFIG, ModelInfo(name="compact", version="3", digest="ab", labels=("happy", "sad")), CameraReport("running")
)
PAYLOAD = home_assistant.payload(CONFIG, Topics(CONFIG), STATUS)
ENTITIES: dict[str, dict[str, Any]] = PAYLOAD["cmps"]


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
    message = home_assistant.message(CONFIG, Topics(CONFIG), STATUS)
    assert message is not None
    assert (message.topic, message.qos, message.retain) == ("homeassistant/device/Front-Door/config", 1, True)
    assert json.loads(message.payload) == PAYLOAD
    assert home_assistant.birth_topic(CONFIG) == "homeassistant/status"


def test_it_can_be_turned_off() -> None:
    off = load_config(overrides=["device.mqtt.discovery_prefix=null"])
    assert home_assistant.message(off, Topics(off), STATUS) is None
    assert home_assistant.birth_topic(off) is None


def test_a_prefix_that_is_no_topic_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"device\.mqtt\.discovery_prefix is 'ha/#'"):
        home_assistant.birth_topic(load_config(overrides=["device.mqtt.discovery_prefix='ha/#'"]))


def test_what_home_assistant_demands_is_there() -> None:
    assert PAYLOAD["dev"]["identifiers"] and PAYLOAD["o"]["name"]
    assert PAYLOAD["availability_topic"] == "emotion/Front-Door/availability"
    assert len({entity["unique_id"] for entity in ENTITIES.values()}) == len(ENTITIES)
    for entity in ENTITIES.values():
        assert entity["platform"] in ("sensor", "binary_sensor", "event", "button", "update")
        topic = "command_topic" if entity["platform"] == "button" else "state_topic"
        assert entity[topic].startswith("emotion/Front-Door/")
        platform, name = entity["default_entity_id"].split(".")
        assert platform == entity["platform"]
        assert name.replace("_", "").isalnum() and name == name.lower()


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
