"""What is said when, without a broker: topics, the courier's window, the faces' states, waiting times, JSON lines."""

from __future__ import annotations

import itertools
import json
import socket
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import DeviceConfig, OutboxConfig, ReportConfig, config_digest, load_config
from device.errors import ConfigError
from device.host import board
from device.messages import EmotionEvent, ModelInfo, Throttling, TrackState
from device.mqtt.client import ReconnectingClient, backoff
from device.mqtt.connection import Acknowledged, Connection
from device.mqtt.topics import EVENTS, TRACK_STATE, Message, Topics, device_id
from device.outbox.outbox import Outbox
from device.publishing import status
from device.publishing.event_sender import EventSender
from device.publishing.face_states import FaceStatePublisher
from device.publishing.json_lines import JsonLinesPublisher
from device.publishing.publisher import open_publisher

LABELS = ("happy", "sad")
TOPICS = Topics(load_config(overrides=["device.id=porch"]))


def event(track: int = 1) -> EmotionEvent:
    return EmotionEvent(type="start", track=track, ts=1.0, emotion="happy", confidence=0.5, scores={})


def face(track: int, emotion: str = "happy") -> TrackState:
    scores = {"happy": 0.75, "sad": 0.25}
    return TrackState(track=track, ts=1.0, emotion=emotion, confidence=0.75, scores=scores, box=(0, 0, 1, 1))


def test_topics_carry_base_device_and_track() -> None:
    topics = Topics(load_config(overrides=["device.id=porch", "device.mqtt.base_topic=house/faces"]))
    assert topics.of(EVENTS) == "house/faces/porch/events"
    assert topics.of(TRACK_STATE, track=7) == "house/faces/porch/tracks/7/state"
    assert topics.of(TRACK_STATE) == "house/faces/porch/tracks/+/state"
    assert topics.track_of("house/faces/porch/tracks/7/state") == 7
    assert topics.track_of("house/faces/attic/tracks/7/state") is None


def test_the_devices_name_is_the_hosts_made_fit_for_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "küche+pi.local")
    assert device_id(DeviceConfig()) == "k-che-pi"


@pytest.mark.parametrize("wrong", ["id='a/b'", "id=''", "id='a b'", "id='#'", f"id={'x' * 65}"])
def test_a_name_that_no_topic_can_hold_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"device\.id is .*letters, digits, - or _"):
        Topics(load_config(overrides=[f"device.{wrong}"]))


@pytest.mark.parametrize("wrong", ["", "/a", "a/", "a/+/b", "#", "$SYS"])
def test_a_base_that_is_no_topic_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"device\.mqtt\.base_topic is"):
        Topics(load_config(overrides=[f"device.mqtt.base_topic={json.dumps(wrong)}"]))


class Wire:
    """A connection that remembers what it was given, and has room for `window` unanswered events."""

    def __init__(self, window: int = 10) -> None:
        self.given: list[EmotionEvent] = []
        self.window = window
        self.answers = 0

    def room(self) -> int:
        return self.window - len(self.given) + self.answers

    def send(self, event: EmotionEvent, recorded_s: float) -> int:
        self.given.append(event)
        return len(self.given)

    def answer(self, event_sender: EventSender, number: int, taken: bool = True) -> None:
        self.answers += 1
        assert event_sender.acknowledged(number, taken)
        event_sender.pump()

    @property
    def seqs(self) -> list[int | None]:
        return [event.seq for event in self.given]


def test_the_courier_never_has_more_under_way_than_there_is_room_for() -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire(window=3)
    event_sender = EventSender(outbox, wire.room, wire.send)
    event_sender.connected()
    for _ in range(10):
        outbox.append(event())
        event_sender.pump()
    assert wire.seqs == [1, 2, 3]
    wire.answer(event_sender, 2)
    assert wire.seqs == [1, 2, 3, 4]
    for number in (1, *range(3, 11)):
        wire.answer(event_sender, number)
    assert wire.seqs == list(range(1, 11))
    assert event_sender.idle and outbox.depth == 0


def test_what_is_older_than_the_connection_is_replayed() -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire()
    event_sender = EventSender(outbox, wire.room, wire.send)
    outbox.append(event())
    event_sender.connected()
    outbox.append(event())
    event_sender.pump()
    assert [e.replayed for e in wire.given] == [True, False]
    wire.answer(event_sender, 1)
    event_sender.lost()
    outbox.append(event())
    event_sender.pump()
    wire.given.clear()
    event_sender.connected()
    outbox.append(event())
    event_sender.pump()
    assert [(e.seq, e.replayed) for e in wire.given] == [(2, True), (3, True), (4, False)]


def test_a_refused_event_waits_for_the_next_connection_and_holds_up_nobody() -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire(window=1)
    event_sender = EventSender(outbox, wire.room, wire.send)
    event_sender.connected()
    for _ in range(3):
        outbox.append(event())
    event_sender.pump()
    wire.answer(event_sender, 1, taken=False)
    wire.answer(event_sender, 2)
    wire.answer(event_sender, 3)
    assert event_sender.idle and outbox.depth == 1
    event_sender.lost()
    wire.given.clear()
    event_sender.connected()
    assert wire.seqs == [1]


class Line:
    """A connection of two places that answers when the test says so."""

    version, window = 5, 2

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: Message) -> int:
        self.sent.append(message.payload)
        return len(self.sent)


def test_of_a_retained_topic_the_newest_waits_for_room_and_an_answer_waits_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = cast(Connection, Line())
    monkeypatch.setattr("device.mqtt.client.connect", lambda *_: line)
    link = ReconnectingClient(load_config().mqtt, "porch", Message("will", "offline"), lambda _: None)
    link.say(Message("status", "before there is a connection", qos=1, retain=True))
    link.open()
    assert (link.room, link.settled) == (2, True)
    for number in range(1, 6):
        link.say(Message("status", f"status {number}", qos=1, retain=True))
        link.say(Message("response", f"answer {number}", qos=1))
        link.say(Message("summary", f"summary {number}"))
    sent = cast(Line, line).sent
    assert sent == ["status 1", "answer 1"]
    for number in range(1, 8):
        link.answered(Acknowledged(line, number, True, ""))
    assert sent[2:] == ["status 5", "answer 2", "answer 3", "answer 4", "answer 5"]
    assert (link.room, link.settled) == (2, True)


@given(st.text(max_size=40), st.binary(max_size=40))
def test_whatever_comes_on_a_topic_of_ours_is_corrected_or_passed_over(topic: str, payload: bytes) -> None:
    """A stranger may write what he likes where the states of faces stand."""
    face_states = FaceStatePublisher(TOPICS, LABELS, ReportConfig())
    for heard in (topic, f"emotion/porch/tracks/{topic}/state", "emotion/porch/tracks/7/state"):
        said = face_states.correction(heard, payload)
        assert said is None or (said.payload == "" and TOPICS.track_of(said.topic) is not None)


@given(st.lists(st.tuples(st.integers(0, 70000), st.booleans()), max_size=30))
def test_answers_to_what_was_never_sent_change_nothing(answers: list[tuple[int, bool]]) -> None:
    outbox, wire = Outbox(None, OutboxConfig()), Wire()
    event_sender = EventSender(outbox, wire.room, wire.send)
    event_sender.connected()
    outbox.append(event(), event())
    event_sender.pump()
    known = {event_sender.acknowledged(number, taken) for number, taken in answers if number not in (1, 2)}
    assert True not in known
    assert outbox.depth == 2


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


def test_waiting_times_double_up_to_the_limit_each_shortened_by_up_to_half() -> None:
    for delay_s, full_s in zip(backoff(1.0, 60.0), (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=False):
        assert full_s / 2 <= delay_s <= full_s
    assert max(itertools.islice(backoff(5.0, 2.0), 5)) <= 2.0


def test_without_a_broker_events_are_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    publisher = open_publisher(DeviceConfig(), ModelInfo(name="m", version="1", digest="", labels=LABELS))
    assert isinstance(publisher, JsonLinesPublisher)
    publisher.camera("running")
    publisher.observe([event(1), event(2)], [face(1)])
    publisher.report(status.Progress())
    publisher.close()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(e["seq"], e["track"]) for e in said] == [(1, 1), (2, 2)]


def test_equal_settings_have_equal_digests() -> None:
    assert config_digest(load_config(overrides=["device.mqtt.port=1883"])) == config_digest(DeviceConfig())
    assert config_digest(load_config(overrides=["device.mqtt.port=1884"])) != config_digest(DeviceConfig())


def test_a_raspberry_pi_tells_its_temperature_and_what_holds_it_back(tmp_path: Path) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "gpu",
        "sys/class/thermal/thermal_zone0/temp": "40000",
        "sys/class/thermal/thermal_zone1/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone1/temp": "48312",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/self/statm": "9000 1000 500 1 0 4000 0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert board.temperature_c(tmp_path) == 48.312
    held = ("under-voltage", "throttled")
    assert board.throttling(tmp_path) == Throttling(now=held, since_boot=held)
    assert board.model(tmp_path) == "Raspberry Pi 5 Model B Rev 1.0"
    assert (board.memory_mb(tmp_path) or 0) > 4


def test_another_machine_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert board.temperature_c(tmp_path) is None
    assert board.throttling(tmp_path) is None
    assert board.model(tmp_path) is None
    assert board.memory_mb(tmp_path) is None
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x20000\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    assert board.throttling(tmp_path) == Throttling(now=(), since_boot=("frequency-capped",))


@pytest.mark.parametrize(
    ("text", "held"), [("4\n", True), ("50001", True), ("50000", False), ("0", False), ("", False), ("none", False)]
)
def test_what_is_held_back_now_counts_and_what_was_since_boot_does_not(tmp_path: Path, text: str, held: bool) -> None:
    assert not board.held_back(tmp_path)  # no such file
    path = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert board.held_back(tmp_path) is held
