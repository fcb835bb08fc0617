"""examples/classroom.py beside a real broker, with summaries of the project's own classes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from device.config.schema import load_config
from device.messages import GroupAttention, Summary
from device.mqtt.topics import AVAILABILITY, OFFLINE, ONLINE, SUMMARY, Topics
from device.valence import Valence
from tests.examples.helpers import EXAMPLES, Example, Webhook
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, wait_for

pytestmark = needs_mosquitto
TOPICS = Topics(load_config(overrides=["device.id=classroom-3"]))


def say(client: Listener, positive: float, facing: float | None) -> None:
    """Publish the summary of a group of six."""
    attention = None if facing is None else GroupAttention(measured=6, facing=facing)
    valence = Valence(positive=positive, negative=1 - positive, neutral=0.0)
    summary = Summary(ts=time.time(), faces=6, counts={}, mean_scores=None, valence=valence, attention=attention)
    message = TOPICS.message(SUMMARY, summary)
    client.publish(message.topic, message.payload)


def keep_saying(client: Listener, webhook: Webhook, positive: float, facing: float | None, *states: str) -> None:
    """Publish summaries until the webhook has these states of the mood."""

    def done() -> bool:
        say(client, positive, facing)
        return webhook.states("mood") == list(states)

    wait_for(done, f"mood {states}, came: {webhook.alerts}")


def test_alerts_begin_and_end_with_hysteresis_and_a_csv_is_written(mosquitto: Mosquitto) -> None:
    online = TOPICS.message(AVAILABILITY, ONLINE)
    options = ("--broker", f"127.0.0.1:{mosquitto.port}", "--seconds", 0.2, "--every", 3600)
    with Webhook() as webhook, Listener(mosquitto.port, "nothing") as client:
        client.publish(online.topic, online.payload, retain=True)
        with Example("classroom.py", "--webhook", webhook.url, *options) as example:
            webhook.wait("device", "online")
            keep_saying(client, webhook, 0.3, 0.2, "low")  # mood -0.4, and nobody looks
            webhook.wait("attention", "low")
            for _ in range(20):
                say(client, 0.42, 0.55)  # above the limits, but not by the gap
            client.publish(TOPICS.of(SUMMARY), '{"faces": "\\u001b[2J", "valence": [')
            for faces in ("NaN", "1e999", "9" * 400):
                client.publish(TOPICS.of(SUMMARY), f'{{"faces": {faces}, "valence": null}}')
            keep_saying(client, webhook, 0.8, 0.9, "low", "good")
            webhook.wait("attention", "low", "good")
            client.publish(TOPICS.of(AVAILABILITY), OFFLINE)
            webhook.wait("device", "online", "offline")
        client.publish(online.topic, "", retain=True)
    header, *lines = example.output.splitlines()
    assert header == "time,faces,mood,attention"
    (line,) = lines  # the rest of the lesson, written at its end
    _, faces, mood, attention = line.split(",")
    assert float(faces) == 6 and -0.4 <= float(mood) <= 0.6 and 0.2 <= float(attention) <= 0.9


def test_without_attention_its_cell_is_empty_and_no_alert_is_raised(mosquitto: Mosquitto) -> None:
    options = ("--broker", f"127.0.0.1:{mosquitto.port}", "--seconds", 0.1, "--every", 0.2)
    with Webhook() as webhook, Listener(mosquitto.port, "nothing") as client:
        with Example("classroom.py", "--webhook", webhook.url, *options) as example:
            example.read_line("listening to")
            keep_saying(client, webhook, 0.1, None, "low")
        assert not webhook.states("attention")
    assert example.output.splitlines()[-1].endswith("6.000,-0.800,")


def test_it_comes_back_to_a_broker_that_was_away(mosquitto: Mosquitto) -> None:
    where = f"127.0.0.1:{mosquitto.port}"
    with Example("classroom.py", "--broker", where) as example:
        assert example.read_line("") == f"connected to {where}\n"
        example.read_line("listening to")
        mosquitto.stop()
        example.read_line(f"{where} cannot be reached; trying again")
        mosquitto.start()
        example.read_line("listening to")


def test_a_broker_that_refuses_is_told(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, extra="allow_anonymous false").start()
    try:
        where = f"127.0.0.1:{broker.port}"
        with Example("classroom.py", "--broker", where) as example:
            assert example.read_line("") == f"broker: {where} refuses the connection: Not authorized; trying again\n"
    finally:
        broker.stop()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/no", "nonsense"])
def test_a_webhook_that_fails_ends_nothing(mosquitto: Mosquitto, url: str) -> None:
    options = ("--broker", f"127.0.0.1:{mosquitto.port}", "--webhook", url)
    with Example("classroom.py", *options) as example, Listener(mosquitto.port, "nothing") as client:
        example.read_line("listening to")
        for word in (ONLINE, OFFLINE):
            client.publish(TOPICS.of(AVAILABILITY), word)
            example.read_line(f'"state": "{word}"')
            example.read_line("webhook: ")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--broker", "localhost:many"], "--broker: invalid address value: 'localhost:many'"),
        (["--broker", "localhost:0"], "--broker: invalid address value: 'localhost:0'"),
        (["--broker", "a..b"], "--broker: invalid address value: 'a..b'"),
        (["--broker", ""], "--broker: invalid address value: ''"),
        (["--topic", "emotion/+"], "--topic: it must name one device, without + and #"),
    ],
)
def test_wrong_usage_is_told(options: list[str], part: str) -> None:
    line = [sys.executable, str(EXAMPLES / "classroom.py"), *options]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and part in done.stderr and "Traceback" not in done.stderr
