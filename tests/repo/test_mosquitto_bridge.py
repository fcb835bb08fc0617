"""Two site brokers bridged to a central one, with deploy/mosquitto/: what a consumer receives."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from device.messages import EmotionEvent
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.reports import CameraReport, Progress
from tests.soak.boards import LABELS, MODEL, config, name
from tests.support.broker import needs_mosquitto, wait_for
from tests.support.command import device
from tests.support.site_broker import PASSWORD, SiteBroker

pytestmark = needs_mosquitto
SITES = "site-a", "site-b"  # with board 0 and board 1
FORGET_S = 3600  # the central broker keeps a consumer's session for so long


class Consumer:
    """Receives all events at the central broker, in a session that outlives its connections."""

    def __init__(self, port: int) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.words: dict[str, str] = {}  # every other topic's latest
        self._client = Client(CallbackAPIVersion.VERSION2, "consumer", protocol=MQTTv5)
        self._client.username_pw_set("viewer", PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("emotion/#", qos=1)
        self._client.on_message = self._on_message
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = FORGET_S
        self._client.connect("127.0.0.1", port, clean_start=False, properties=lasting)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def heard(self, number: int) -> set[int]:
        """The numbers of a board's events that came."""
        return {event["seq"] for event in list(self.events.get(name(number), []))}

    def wait(self, *events: int) -> None:
        """Wait until so many events of each board came: all that there were, and no other."""
        expected = [set(range(1, count + 1)) for count in events]
        wait_for(lambda: [self.heard(number) for number in range(len(events))] == expected, f"events {events}", 60)

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        board, topic = message.topic.split("/", 2)[1:]
        if topic == "events":
            self.events.setdefault(board, []).append(json.loads(message.payload))
        else:
            self.words[f"{board}/{topic}"] = message.payload.decode()


class Sites:
    """The brokers, a board at each site, and a consumer in the middle."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        for file, text in {"password": PASSWORD, "viewer": "viewer"}.items():
            (folder / file).write_text(text)
        self.central = self._start("central", ["central.conf"], ["viewer", "bridge"])
        self.consumer = Consumer(self.central.port)
        stack.callback(self.consumer.close)
        self.brokers = [self._site(site, name(number)) for number, site in enumerate(SITES)]
        self.boards = [self._board(number, broker) for number, broker in enumerate(self.brokers)]
        online = {f"{name(number)}/availability": "online" for number in range(len(SITES))}
        wait_for(lambda: online.items() <= self.consumer.words.items(), "the bridges")

    def happen(self, number: int, events: int) -> None:
        """Let so many events happen at a board."""
        scores = dict.fromkeys(LABELS, 1 / len(LABELS))
        for track in range(1, events + 1):
            event = EmotionEvent(type="start", track=track, ts=1.0, emotion="sad", confidence=0.5, scores=scores)
            self.boards[number].publish([event], [])

    def at_the_site(self, number: int) -> None:
        """Wait until the site's broker has taken every event."""
        wait_for(lambda: self.boards[number]._outbox.depth == 0, "an empty outbox")

    def fleet(self, *options: str) -> dict[str, Any]:
        """Output of `device fleet` at the central broker."""
        mqtt: dict[str, object] = {"host": "127.0.0.1", "port": self.central.port}
        mqtt |= {"username_file": self._folder / "viewer", "password_file": self._folder / "password"}
        settings = [f"--set=device.mqtt.{key}={value}" for key, value in mqtt.items()]
        done = device("fleet", "--json", *settings, *options, cwd=self._folder)
        assert done.stderr == ""
        return dict(json.loads(done.stdout))

    def _start(self, role: str, files: list[str], users: list[str], **changes: str) -> SiteBroker:
        broker = SiteBroker(self._folder / role, files, users, changes)
        broker.start()
        self._stack.callback(broker.kill)
        return broker

    def _site(self, site: str, board: str) -> SiteBroker:
        where = {"central.example.org:1883": f"127.0.0.1:{self.central.port}", "site-a": site}
        return self._start(site, ["site.conf", "bridge.conf"], [board, "viewer"], **where)

    def _board(self, number: int, broker: SiteBroker) -> MqttPublisher:
        board = MqttPublisher(config(number, broker.port, self._folder, ["device.report.health_s=1"]), MODEL)
        self._stack.callback(board.close)
        board.report(CameraReport("running"))
        board.report(Progress(fps=15.0))
        return board


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    with ExitStack() as stack:
        yield Sites(tmp_path, stack)


def save(broker: SiteBroker) -> None:
    """Have the broker write down what it knows, as it does by itself every `autosave_interval`."""
    database = broker.folder / "mosquitto.db"
    database.unlink(missing_ok=True)
    os.kill(broker.pid, signal.SIGUSR1)
    wait_for(database.exists, "mosquitto.db")


@pytest.mark.slow
def test_a_central_broker_that_dies_in_the_middle_costs_no_event(sites: Sites) -> None:
    """It hangs with messages under way that it never acknowledges; it is killed; it comes back."""
    sites.happen(0, 100)
    sites.happen(1, 50)
    sites.consumer.wait(100, 50)
    save(sites.central)
    os.kill(sites.central.pid, signal.SIGSTOP)
    sites.happen(0, 300)
    sites.at_the_site(0)
    sites.central.kill()
    sites.happen(0, 100)
    sites.happen(1, 200)
    sites.at_the_site(0)
    sites.at_the_site(1)
    assert len(sites.consumer.heard(0)) == 100  # the rest waits at the site
    sites.central.start()
    sites.consumer.wait(500, 250)
    for events in sites.consumer.events.values():  # some may have come twice; none as another
        assert len({(event["seq"], event["id"]) for event in events}) == len({event["seq"] for event in events})


def test_what_waits_for_the_central_broker_outlives_a_restart_of_the_sites(sites: Sites) -> None:
    save(sites.central)  # who has subscribed; else what comes before the consumer is back has no taker
    sites.central.kill()
    sites.happen(0, 200)
    sites.at_the_site(0)
    sites.brokers[0].stop()
    sites.happen(0, 50)
    sites.brokers[0].start()
    sites.at_the_site(0)
    sites.central.start()
    sites.consumer.wait(250)


def test_the_fleet_of_all_sites_is_seen_at_the_centre_and_commands_reach_a_site(sites: Sites) -> None:
    document = sites.fleet("--seconds=3", "--expect=2")
    assert document["ok"] and [board["board"] for board in document["boards"]] == [name(0), name(1)]

    operator = Client(CallbackAPIVersion.VERSION2, "operator", protocol=MQTTv5)
    operator.username_pw_set("bridge", PASSWORD)  # who may write there
    operator.connect("127.0.0.1", sites.central.port)
    operator.loop_start()
    topic = f"{name(1)}/cmd/response/status"
    operator.publish(f"emotion/{name(1)}/cmd/request/status", b"{}", qos=1).wait_for_publish(30)
    wait_for(lambda: topic in sites.consumer.words, "the answer")
    operator.disconnect()
    operator.loop_stop()
    assert json.loads(sites.consumer.words[topic])["data"]["status"]["device"] == name(1)


def test_a_site_that_is_cut_off_is_seen_at_the_centre(sites: Sites) -> None:
    """At the centre its boards stay `online`; only their silence shows the loss."""
    sites.brokers[0].kill()
    document = sites.fleet("--seconds=6", "--set=device.fleet.stale_s=4")
    said = {board["board"]: board for board in document["boards"]}
    assert said[name(0)]["online"] and said[name(1)]["healthy"]
    assert said[name(0)]["reasons"][0].startswith("online, but no message for ")
