"""examples/driver.py beside a real broker and a real publisher."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from device.messages import AlertKind, AlertPhase, AttentionAlert, AttentionState, EmotionEvent, TrackState
from device.mqtt.topics import OFFLINE
from tests.device.mqtt.porch import OPEN, ROOT, event, face, publish
from tests.examples.helpers import Example, Webhook
from tests.support.broker import Listener, Mosquitto, needs_mosquitto

pytestmark = needs_mosquitto
FAST = ("--after", 0.1, "--clear", 0.1)


def measured(emotion: str = "happy", **flags: bool) -> TrackState:
    return dataclasses.replace(face(emotion=emotion), attention=AttentionState(facing=0.9, **flags))


def alert(kind: AlertKind, phase: AlertPhase) -> EmotionEvent:
    told = AttentionAlert(kind=kind, phase=phase, duration_s=1.0)
    return dataclasses.replace(event("update"), type="attention", alert=told, attention=AttentionState())


def test_alerts_of_eyes_and_head(tmp_path: Path, mosquitto: Mosquitto) -> None:
    options = ("--broker", f"127.0.0.1:{mosquitto.port}", "--topic", ROOT, *FAST)
    with Webhook() as webhook, Example("driver.py", *options, "--webhook", webhook.url) as example:
        example.read_line("listening to")
        publisher = publish(mosquitto.port, tmp_path)
        webhook.wait("device", "online")
        webhook.wait("no_face", "start")
        publisher.publish([event("start")], [measured()])
        webhook.wait("no_face", "start", "end")
        publisher.publish([alert("drowsy", "start"), alert("yawn", "start")], [measured()])
        webhook.wait("drowsy", "start")
        publisher.publish([alert("drowsy", "end"), alert("looking_away", "start")], [measured(looking_away=True)])
        webhook.wait("drowsy", "start", "end")
        webhook.wait("looking_away", "start")
        with Listener(mosquitto.port, "nothing") as client:
            told = '"alert": {"phase": "start", "kind": "eyes_closed"}'
            gone = f'{{"type": "attention", "replayed": false, "track": 7, {told}}}'
            for payload in ("[" * 60_000, '{"type": "attention", "track": {}}', "null", "\xff", gone):
                client.publish(f"{ROOT}/events", payload)
                client.publish(f"{ROOT}/tracks/x/state", payload)
        publisher.publish([event("end")], [])  # the face has left, and takes its alerts along
        webhook.wait("looking_away", "start", "end")
        webhook.wait("no_face", "start", "end", "start")
        OPEN.pop().close()
        webhook.wait("device", "online", OFFLINE)
    assert not webhook.states("yawn") and not webhook.states("tense") and not webhook.states("eyes_closed")


def test_without_attention_it_says_so_and_uses_expressions(tmp_path: Path, mosquitto: Mosquitto) -> None:
    options = ("--broker", f"127.0.0.1:{mosquitto.port}", "--topic", ROOT, *FAST)
    publisher = publish(mosquitto.port, tmp_path)
    publisher.publish([event("start")], [face()])
    with Webhook() as webhook, Example("driver.py", *options, "--webhook", webhook.url) as example:
        example.read_line("only expressions are known, nothing of eyes and head")
        publisher.publish([event("update", emotion="angry")], [face(emotion="angry")])
        webhook.wait("tense", "start")
        publisher.publish([event("update")], [face()])
        webhook.wait("tense", "start", "end")
    assert {told["alert"] for told in webhook.alerts} <= {"device", "tense"}


def test_what_happened_long_ago_raises_no_alert(mosquitto: Mosquitto) -> None:
    options = ("--broker", f"127.0.0.1:{mosquitto.port}", "--topic", "emotion/car", *FAST)
    with Webhook() as webhook, Listener(mosquitto.port, "nothing") as client:
        client.publish("emotion/car/availability", "online", retain=True)
        client.publish("emotion/car/tracks/1/state", face().to_json(), retain=True)
        with Example("driver.py", *options, "--webhook", webhook.url):
            webhook.wait("device", "online")
            for kind, replayed in (("drowsy", True), ("eyes_closed", False)):
                told = dataclasses.replace(alert(kind, "start"), replayed=replayed)  # type: ignore[arg-type]
                client.publish("emotion/car/events", told.to_json())
            webhook.wait("eyes_closed", "start")
        for topic in ("availability", "tracks/1/state"):
            client.publish(f"emotion/car/{topic}", "", retain=True)
    assert not webhook.states("drowsy")
