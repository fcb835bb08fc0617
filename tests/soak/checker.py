"""Proves from `seq` that all events came, in order, and duplicated only where QoS 1 allows it.

    python -m tests.soak.checker --port 1883 --root emotion/porch --seconds 3600

A device publishes in connections, each begun with `online`. Within one, every event has the next
number. A new connection may go back, by the messages in flight when the last one broke: at most
the in-flight window.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

SHOWN = 10  # complaints of a kind, in the report


@dataclass
class Ledger:
    """What was heard, and what is wrong with it. Knows nothing of MQTT."""

    window: int
    ids: dict[int, str] = field(default_factory=dict)  # seq -> the event's id
    heard: int = 0
    replayed: int = 0
    connections: int = 0
    doubled: int = 0  # where QoS 1 allows it
    furthest_back: int = 0
    wrong: list[str] = field(default_factory=list)
    _highest: int = 0
    _last: int | None = None  # seq heard last on this connection

    def online(self) -> None:
        """The device connected."""
        self.connections += 1
        self._last = None

    def event(self, event: dict[str, Any]) -> None:
        """The device said an event."""
        seq, name = int(event["seq"]), str(event["id"])
        self.heard += 1
        self.replayed += bool(event["replayed"])
        if self._last is None:
            self._first_of_a_connection(seq)
        elif seq != self._last + 1:
            self.wrong.append(f"{seq} came after {self._last} on one connection")
        if self.ids.setdefault(seq, name) != name:
            self.wrong.append(f"{seq} is two events: {self.ids[seq]} and {name}")
        self.doubled += seq <= self._highest
        self._highest = max(self._highest, seq)
        self._last = seq

    def _first_of_a_connection(self, seq: int) -> None:
        back = self._highest + 1 - seq
        self.furthest_back = max(self.furthest_back, back)
        if back > self.window:
            self.wrong.append(f"{seq} came again after {self._highest}: more than the window of {self.window} back")

    def missing(self, last_seq: int) -> int:
        """How many of the numbers 1 to `last_seq` never came."""
        return last_seq - sum(seq <= last_seq for seq in self.ids)

    def report(self, last_seq: int | None = None, dropped: int = 0) -> tuple[bool, str]:
        """Whether all is well, and the figures.

        Args:
            last_seq: the last number, from the device's disk; None: the highest received.
            dropped: how many events the device reports as dropped.
        """
        last = self._highest if last_seq is None else last_seq
        missing = self.missing(last)
        good = missing == dropped and not self.wrong and self._highest == last
        allowed = f"at most {self.furthest_back} after a connection broke, {self.window} allowed"
        lines = [
            f"events heard        {self.heard:7d}   {self.replayed} replayed, on {self.connections} connections",
            f"numbers             {len(self.ids):7d}   of 1 to {last}",
            f"missing             {missing:7d}   the device says it dropped {dropped}",
            f"doubled             {self.doubled:7d}   {allowed}",
            f"wrong               {len(self.wrong):7d}   out of order, doubled on one connection, two of one number",
            *(f"  {complaint}" for complaint in self.wrong[:SHOWN]),
            "verdict             " + ("all is well" if good else "NOT WELL"),
        ]
        return good, "\n".join(lines)


class Subscriber:
    """Receives from one device and keeps the ledger; reconnects. A context manager.

    With QoS 0: a subscriber that acknowledges gets an error on sending when the broker is killed,
    and drops what it had received but not read. So every duplicate comes from the device.
    """

    def __init__(self, port: int, root: str, window: int, host: str = "127.0.0.1") -> None:
        self.ledger = Ledger(window)
        self.listening = threading.Event()  # the broker has taken our subscription
        self.health: dict[str, Any] = {}
        self._address = host, port
        self._root = root
        self._topics = [(f"{root}/{name}", SubscribeOptions(qos=0)) for name in ("availability", "events", "health")]
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topics)
        self._client.on_subscribe = lambda *_: self.listening.set()
        self._client.on_disconnect = lambda *_: self.listening.clear()
        self._client.on_message = self._on_message

    def __enter__(self) -> Subscriber:
        self._client.connect(*self._address)
        self._client.loop_start()
        self.listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        what = message.topic.removeprefix(f"{self._root}/")
        if what == "availability" and message.payload == b"online" and not message.retain:
            self.ledger.online()
        elif what == "events":
            self.ledger.event(json.loads(message.payload))
        elif what == "health":
            self.health = json.loads(message.payload)


def main(arguments: list[str]) -> int:
    """Listen for a while, then say what was heard; the exit code is the verdict."""
    parser = argparse.ArgumentParser(prog="checker", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--root", required=True, help="the device's topics, such as emotion/porch")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to listen (%(default)g)")
    parser.add_argument("--window", type=int, default=20, help="device.mqtt.inflight (%(default)d)")
    args = parser.parse_args(arguments)
    with Subscriber(args.port, args.root, args.window, args.host) as subscriber:
        time.sleep(args.seconds)
    ledger = subscriber.ledger
    before = min(ledger.ids, default=1) - 1  # said before we listened
    good, text = ledger.report(dropped=before + ledger_drops(subscriber))
    print(text)
    return 0 if good else 1


def ledger_drops(subscriber: Subscriber) -> int:
    """What the device's latest health message says it gave up."""
    return int(subscriber.health.get("outbox", {}).get("dropped", 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
