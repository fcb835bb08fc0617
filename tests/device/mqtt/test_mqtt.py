"""The publisher against a real Mosquitto: killed, restarted, with passwords and TLS; and against a broker of 3.1.1."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.config.schema import DeviceConfig, load_config
from device.demo.broker import open_broker
from device.errors import BrokerError, ConfigError
from device.messages import EmotionEvent, EventType, ModelInfo, Stage, TrackState
from device.mqtt.connection import connect
from device.mqtt.topics import Message
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.publisher import open_publisher
from device.publishing.status import Progress
from tests.support.broker import Listener, Mosquitto, expiry_s, free_port, needs_mosquitto, retained, wait_for

pytestmark = needs_mosquitto

LABELS = ("angry", "happy", "neutral")
MODEL = ModelInfo(name="compact", version="1", digest="0" * 64, labels=LABELS)
ROOT = "emotion/porch"
DISCOVERY = "homeassistant/device/porch/config"


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    yield broker
    broker.kill()


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """For tests that kill it, or put it to a use of their own."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.kill()


def config(port: int, folder: Path, *more: str) -> DeviceConfig:
    return load_config(
        overrides=[
            "device.id=porch",
            "device.mqtt.host=127.0.0.1",
            f"device.mqtt.port={port}",
            f"device.state_dir={folder / 'state'}",
            "device.mqtt.reconnect_min_s=0.1",
            "device.mqtt.reconnect_max_s=0.5",
            *more,
        ]
    )


OPEN: list[MqttPublisher] = []


@pytest.fixture(autouse=True)
def leave_none_open() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def publish(port: int, folder: Path, *more: str) -> MqttPublisher:
    OPEN.append(MqttPublisher(config(port, folder, *more), MODEL))
    return OPEN[-1]


def scores(emotion: str) -> dict[str, float]:
    return {label: 0.8 if label == emotion else 0.1 for label in LABELS}


def event(kind: EventType, track: int = 1, emotion: str = "happy") -> EmotionEvent:
    box = None if kind == "end" else (10.0, 20.0, 30.0, 40.0)
    return EmotionEvent(
        type=kind, track=track, ts=time.time(), emotion=emotion, confidence=0.8, scores=scores(emotion), box=box
    )


def face(track: int = 1, emotion: str = "happy") -> TrackState:
    box = (10.0, 20.0, 30.0, 40.0)
    return TrackState(track=track, ts=time.time(), emotion=emotion, confidence=0.8, scores=scores(emotion), box=box)


def test_a_face_comes_changes_and_goes(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        publisher = publish(mosquitto.port, tmp_path)
        publisher.camera("running")
        publisher.observe([event("start")], [face()])
        publisher.observe([], [face()])
        publisher.observe([event("update", emotion="angry")], [face(emotion="angry")])
        publisher.observe([event("end", emotion="angry")], [])
        publisher.camera("stopped")
        publisher.close()
        listener.wait_text(f"{ROOT}/availability", "offline")

    said = listener.objects(f"{ROOT}/events")
    assert [(e["seq"], e["type"], e["emotion"], e["replayed"]) for e in said] == [
        (1, "start", "happy", False),
        (2, "update", "angry", False),
        (3, "end", "angry", False),
    ]
    states = listener.texts(f"{ROOT}/tracks/1/state")  # on change only, and at last an empty one
    assert [json.loads(text)["emotion"] if text else None for text in states] == ["happy", "angry", None]
    assert [s["camera"] for s in listener.objects(f"{ROOT}/status")] == ["starting", "running", "stopped"]
    assert listener.texts(f"{ROOT}/availability") == ["online", "offline"]
    assert [s["faces"] for s in listener.objects(f"{ROOT}/summary")] == [0, 1, 0]


def test_how_each_topic_is_carried(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        publisher = publish(mosquitto.port, tmp_path)
        publisher.observe([event("start")], [face()])
        listener.wait_objects(f"{ROOT}/events")
        listener.wait_objects(f"{ROOT}/tracks/1/state")
        kept = retained(mosquitto.port, f"{ROOT}/#")
        publisher.close()

    by_topic = {message.topic: message for message in listener.heard}
    assert {topic.removeprefix(ROOT + "/"): by_topic[topic].qos for topic in by_topic} == {
        "availability": 1,
        "status": 1,
        "events": 1,
        "tracks/1/state": 1,
        "summary": 0,
    }
    assert {topic.removeprefix(ROOT + "/") for topic in kept} == {"availability", "status", "tracks/1/state"}
    assert 0 < (expiry_s(by_topic[f"{ROOT}/tracks/1/state"]) or 0) <= 60
    assert 86390 < (expiry_s(by_topic[f"{ROOT}/events"]) or 0) <= 86400


def test_health_is_said_at_once_and_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/health") as listener:
        publisher = publish(mosquitto.port, tmp_path, "device.report.health_s=0.05")
        stage = Stage(p50_ms=1.0, p95_ms=2.0, max_ms=3.0, n=10)
        publisher.report(Progress(14.9, frames=10, skipped=2, stages={"detect": stage}, last_frame_s=time.monotonic()))
        first, *_, last = listener.wait_objects(f"{ROOT}/health", 3)
        publisher.close()
    assert (first["fps"], first["frames"], first["skipped"], first["reconnects"]) == (14.9, 10, 2, 0)
    assert first["stages"] == {"detect": {"p50_ms": 1.0, "p95_ms": 2.0, "max_ms": 3.0, "n": 10}}
    empty = {"depth": 0, "bytes": 0, "dropped": 0, "oldest_age_s": None, "held": 0, "trouble": None, "damaged": 0}
    assert first["outbox"] == empty
    assert last["last_frame_age_s"] >= first["last_frame_age_s"] >= 0


def test_home_assistant_is_told_again_when_it_is_back(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publisher = publish(mosquitto.port, tmp_path)
    publisher.observe([event("start")], [face()])
    wait_for(lambda: publisher._outbox.depth == 0, "the event, which comes after the first announcement")
    with Listener(mosquitto.port) as listener:
        listener.wait_objects(DISCOVERY)
        listener.wait_objects(f"{ROOT}/tracks/1/state")
        told = {m.topic: m.retain for m in listener.heard}
        listener.heard.clear()
        listener.publish("homeassistant/status", "offline")
        listener.publish("homeassistant/status", "online")
        payload = listener.wait_objects(DISCOVERY)[0]
        listener.wait_objects(f"{ROOT}/summary")
        again = {m.topic for m in listener.heard if not m.retain}
    publisher.close()
    assert told[DISCOVERY]
    assert {DISCOVERY, f"{ROOT}/availability", f"{ROOT}/status", f"{ROOT}/tracks/1/state", f"{ROOT}/summary"} <= again
    assert {"dev", "o", "cmps"} <= payload.keys()
    assert listener.texts(DISCOVERY) == [listener.texts(DISCOVERY)[0]], "`offline` asks for nothing"


def test_without_discovery_home_assistant_is_told_nothing(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    publish(own_mosquitto.port, tmp_path, "device.mqtt.discovery_prefix=null").close()
    assert retained(own_mosquitto.port, "#").keys() == {f"{ROOT}/availability", f"{ROOT}/status"}


PROCESS = """
import sys
from pathlib import Path
from tests.device.mqtt.test_mqtt import event, face, publish

publisher = publish(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
publisher.observe([event("start", 1), event("start", 7)], [face(1), face(7)])
print("said", flush=True)
sys.stdin.read()
"""


def killed_after_speaking(port: int, folder: Path, *more: str) -> None:
    """A process of its own says that two faces came, and is killed."""
    with Listener(port, f"{ROOT}/#") as listener:
        child = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(port), str(folder), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            listener.wait_objects(f"{ROOT}/tracks/7/state")
            listener.wait_objects(f"{ROOT}/events", 2)
            assert listener.texts(f"{ROOT}/availability")[-1] == "online"
        finally:
            child.send_signal(signal.SIGKILL)
            child.communicate()
        listener.wait_text(f"{ROOT}/availability", "offline")


def test_after_sigkill_the_last_will_says_offline_and_the_next_life_clears_up(
    own_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    killed_after_speaking(own_mosquitto.port, tmp_path)
    kept = retained(own_mosquitto.port, f"{ROOT}/#")
    assert kept[f"{ROOT}/availability"] == "offline"
    assert f"{ROOT}/tracks/7/state" in kept

    with Listener(own_mosquitto.port, f"{ROOT}/#") as listener:
        publisher = publish(own_mosquitto.port, tmp_path)
        publisher.observe([event("start")], [face()])
        listener.wait_text(f"{ROOT}/tracks/7/state", "")
        wait_for(lambda: 3 in {e["seq"] for e in listener.objects(f"{ROOT}/events")}, "the next number")
        kept = retained(own_mosquitto.port, f"{ROOT}/#")
        assert {f"{ROOT}/availability", f"{ROOT}/status", f"{ROOT}/tracks/1/state"} == kept.keys()
        assert kept[f"{ROOT}/availability"] == "online"
        publisher.close()


def test_after_a_broker_restart_it_is_online_again_and_no_event_is_missing(
    own_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    publisher = publish(own_mosquitto.port, tmp_path, "device.mqtt.inflight=5")
    with Listener(own_mosquitto.port, f"{ROOT}/events") as listener:
        publisher.observe([event("start", track) for track in range(1, 11)], [face(10)])
        before = listener.wait_objects(f"{ROOT}/events", 10)
    own_mosquitto.kill()
    for track in range(1, 101):
        publisher.observe([event("update", track)], [face(10)])
    own_mosquitto.start()

    with Listener(own_mosquitto.port) as listener:
        listener.wait_text(f"{ROOT}/availability", "online")
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.observe([event("end", 10)], [])
        listener.wait_text(f"{ROOT}/tracks/10/state", "")
        wait_for(lambda: 111 in {e["seq"] for e in listener.objects(f"{ROOT}/events")}, "the last number")
        assert listener.objects(f"{ROOT}/status")
        assert listener.objects(DISCOVERY)
    publisher.close()

    # The listener may have come later than the first events: those lie before the oldest it heard, and nowhere else.
    after = listener.objects(f"{ROOT}/events")
    assert [e["seq"] for e in before] == list(range(1, 11))
    assert [e["seq"] for e in after] == list(range(after[0]["seq"], 112))
    assert [e["replayed"] for e in after] == [True] * (len(after) - 1) + [False]
    assert not any(e["replayed"] for e in before)


def test_no_event_is_missing_for_a_subscriber_whose_session_lasts(tmp_path: Path) -> None:
    """A consumer that asked the broker to remember it gets every number, broker restart or not."""
    broker = Mosquitto(tmp_path, persistent=True).start()
    command = ["-h", "127.0.0.1", "-p", str(broker.port), "-i", "consumer", "-c", "-q", "1", "-t", f"{ROOT}/events"]
    subscribe = [shutil.which("mosquitto_sub") or pytest.skip("mosquitto-clients is not installed"), *command]
    subprocess.run([*subscribe, "-E"], check=True)
    publisher = publish(broker.port, tmp_path)
    for track in range(1, 21):
        publisher.observe([event("start", track)], [])
    wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
    broker.stop()
    for track in range(1, 21):
        publisher.observe([event("end", track)], [])
    broker.start()
    wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
    done = subprocess.run([*subscribe, "-C", "40", "-W", "30"], check=True, capture_output=True, text=True)
    publisher.close()
    broker.kill()
    assert sorted({json.loads(line)["seq"] for line in done.stdout.splitlines()}) == list(range(1, 41))


def test_what_an_earlier_process_could_not_say_is_said_first(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    publisher = publish(own_mosquitto.port, tmp_path)
    own_mosquitto.kill()
    publisher.observe([event("start"), event("end")], [])
    publisher.close()
    own_mosquitto.start()
    with Listener(own_mosquitto.port, f"{ROOT}/events") as listener:
        publisher = publish(own_mosquitto.port, tmp_path)
        publisher.observe([event("start")], [face()])
        said = listener.wait_objects(f"{ROOT}/events", 3)
        publisher.close()
    assert [(e["seq"], e["replayed"]) for e in said] == [(1, True), (2, True), (3, False)]


def test_a_second_device_of_the_same_name_is_told_of(
    own_mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish(own_mosquitto.port, tmp_path / "1")
    second = publish(own_mosquitto.port, tmp_path / "2")
    wait_for(lambda: "emotion-edge-porch too, give each device its own device.id" in caplog.text, "the warning")
    first.close()
    second.close()


def test_a_password_opens_and_a_wrong_one_is_one_sentence(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd") or pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([tool, "-b", "-c", str(passwords), "camera", "s3cret"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous false\npassword_file {passwords}").start()
    (tmp_path / "right").write_text("s3cret\n")
    (tmp_path / "wrong").write_text("guess\n")
    (tmp_path / "user").write_text("camera\n")
    user = f"device.mqtt.username_file={tmp_path / 'user'}"
    try:
        publish(broker.port, tmp_path, user, f"device.mqtt.password_file={tmp_path / 'right'}").close()
        with pytest.raises(BrokerError, match=rf"127\.0\.0\.1:{broker.port} refuses user 'camera': .*password_file\."):
            publish(broker.port, tmp_path, user, f"device.mqtt.password_file={tmp_path / 'wrong'}")
        with pytest.raises(BrokerError, match="refuses a client without a user name"):
            publish(broker.port, tmp_path)
        with pytest.raises(ConfigError, match="nowhere cannot be read: No such file"):
            publish(broker.port, tmp_path, user, f"device.mqtt.password_file={tmp_path / 'nowhere'}")
    finally:
        broker.kill()


def test_no_broker_is_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(
        BrokerError, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused; check .*runs\."
    ):
        publish(port, tmp_path)
    with pytest.raises(BrokerError, match=r"no\.such\.host\.invalid:\d+ cannot be reached: .*; check"):
        publish(port, tmp_path, "device.mqtt.host=no.such.host.invalid")


def test_a_port_where_something_else_listens_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(BrokerError, match=r"says nothing; check|does not answer within"):
            publish(mute.getsockname()[1], tmp_path, "device.mqtt.connect_timeout_s=0.5")


def test_tls_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    subprocess.run(
        textwrap.dedent(f"""
            {openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -keyout server.key -out server.crt
            -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1
        """).split(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    certificate = tmp_path / "server.crt"
    broker = Mosquitto(
        tmp_path, extra=f"allow_anonymous true\ncertfile {certificate}\nkeyfile {tmp_path / 'server.key'}"
    ).start()
    try:
        publisher = publish(broker.port, tmp_path, "device.mqtt.tls=true", f"device.mqtt.ca_file={certificate}")
        publisher.observe([event("start")], [face()])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.close()
        with pytest.raises(BrokerError, match=r"shows no certificate to trust: .*; check device\.mqtt\.ca_file"):
            publish(broker.port, tmp_path, "device.mqtt.tls=true")
        with pytest.raises(BrokerError, match=r"check device\.mqtt\.port and tls"):
            publish(broker.port, tmp_path)
        with pytest.raises(ConfigError, match=r"passwords cannot be used: No such file"):
            publish(broker.port, tmp_path, "device.mqtt.tls=true", f"device.mqtt.ca_file={tmp_path / 'passwords'}")
    finally:
        broker.kill()


def test_tls_asked_of_a_broker_without_it_is_one_sentence(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"check device\.mqtt\.port and tls"):
        publish(mosquitto.port, tmp_path, "device.mqtt.tls=true")


def test_events_that_the_broker_refuses_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {ROOT}/availability\ntopic readwrite {ROOT}/status\n")
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {rules}").start()
    publisher = publish(broker.port, tmp_path)
    publisher.observe([event("start")], [])
    wait_for(lambda: f"the broker takes nothing on {ROOT}/events: Not authorized" in caplog.text, "the warning")
    publisher.close()
    rules.write_text(f"topic readwrite {ROOT}/#\n")
    broker.kill()
    broker.start()
    with Listener(broker.port, f"{ROOT}/events") as listener:
        publisher = publish(broker.port, tmp_path)
        assert listener.wait_objects(f"{ROOT}/events")[0]["seq"] == 1
        publisher.close()
    broker.kill()


def test_a_broker_of_mqtt_3_1_1_is_spoken_to_in_its_own_tongue(tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="amqtt is not installed")
    with open_broker(tmp_path, "amqtt") as broker:
        publisher = publish(broker.port, tmp_path, "device.mqtt.connect_timeout_s=4")
        publisher.observe([event("start")], [face()])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.close()
        with pytest.raises(BrokerError, match=r"does not answer to MQTT 5; check device\.mqtt\.port, tls and protocol"):
            publish(broker.port, tmp_path, "device.mqtt.connect_timeout_s=1", "device.mqtt.protocol=v5")


@pytest.mark.parametrize("protocol", ["v5", "v3.1.1"])
def test_a_device_that_cannot_say_offline_has_the_broker_say_it(
    mosquitto: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    will = Message(f"wills/{protocol}", "offline", qos=1, retain=True)
    settings = config(mosquitto.port, tmp_path, f"device.mqtt.protocol={protocol}").mqtt
    with Listener(mosquitto.port, will.topic) as listener:
        connect(settings, "leaves-in-peace", will, lambda _: None).close()
        connect(settings, "leaves-without-a-word", will, lambda _: None).close(with_will=True)
        listener.wait_text(will.topic, "offline")
        listener.publish(will.topic, "", retain=True)
        listener.wait_text(will.topic, "")
    assert listener.texts(will.topic) == ["offline", ""], "who leaves in peace has no will said"


def test_open_publisher_follows_the_config(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publisher = open_publisher(config(mosquitto.port, tmp_path), MODEL)
    assert isinstance(publisher, MqttPublisher)
    publisher.close()
