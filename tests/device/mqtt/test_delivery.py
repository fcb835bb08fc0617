"""No event is lost: the device is killed, the broker is killed or away, the subscriber is away."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.mqtt.connection import connect
from device.mqtt.topics import Message
from tests.device.mqtt.porch import DISCOVERY, ROOT, config, event, face, publish
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, retained, wait_for

pytestmark = needs_mosquitto


PROCESS = """
import sys
from pathlib import Path
from tests.device.mqtt.porch import event, face, publish

publisher = publish(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
publisher.publish([event("start", 1), event("start", 7)], [face(1), face(7)])
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
        publisher.publish([event("start")], [face()])
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
        publisher.publish([event("start", track) for track in range(1, 11)], [face(10)])
        before = listener.wait_objects(f"{ROOT}/events", 10)
    own_mosquitto.kill()
    for track in range(1, 101):
        publisher.publish([event("update", track)], [face(10)])
    own_mosquitto.start()

    with Listener(own_mosquitto.port) as listener:
        listener.wait_text(f"{ROOT}/availability", "online")
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.publish([event("end", 10)], [])
        listener.wait_text(f"{ROOT}/tracks/10/state", "")
        wait_for(lambda: 111 in {e["seq"] for e in listener.objects(f"{ROOT}/events")}, "the last number")
        assert listener.objects(f"{ROOT}/status")
        assert listener.objects(DISCOVERY)
    publisher.close()

    # The listener may have come later than the first events: those lie before the oldest it heard,
    # and nowhere else.
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
        publisher.publish([event("start", track)], [])
    wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
    broker.stop()
    for track in range(1, 21):
        publisher.publish([event("end", track)], [])
    broker.start()
    wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
    done = subprocess.run([*subscribe, "-C", "40", "-W", "30"], check=True, capture_output=True, text=True)
    publisher.close()
    broker.kill()
    assert sorted({json.loads(line)["seq"] for line in done.stdout.splitlines()}) == list(range(1, 41))


def test_what_an_earlier_process_could_not_say_is_said_first(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    publisher = publish(own_mosquitto.port, tmp_path)
    own_mosquitto.kill()
    publisher.publish([event("start"), event("end")], [])
    publisher.close()
    own_mosquitto.start()
    with Listener(own_mosquitto.port, f"{ROOT}/events") as listener:
        publisher = publish(own_mosquitto.port, tmp_path)
        publisher.publish([event("start")], [face()])
        said = listener.wait_objects(f"{ROOT}/events", 3)
        publisher.close()
    assert [(e["seq"], e["replayed"]) for e in said] == [(1, True), (2, True), (3, False)]


def test_a_second_device_of_the_same_name_makes_short_connections_which_are_told_of(
    own_mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Connections that last less than this are short, also on a busy machine.
    settings = "device.mqtt.reconnect_max_s=30"
    first = publish(own_mosquitto.port, tmp_path / "1", settings)
    second = publish(own_mosquitto.port, tmp_path / "2", settings)
    wait_for(lambda: "3 connections in a row were short" in caplog.text, "the warning")
    assert "another client" not in caplog.text, "Mosquitto 2.0 does not say so"
    first.close()
    second.close()


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
