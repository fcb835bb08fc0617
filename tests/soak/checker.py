"""Checks by `seq` that all events arrive, in order, and duplicated only where QoS 1 allows it.

    python -m tests.soak.checker --port 1883 --root emotion/porch --seconds 3600

A device publishes `online` at the start of each connection. Within a connection, every event has
the next sequence number. A new connection may repeat the messages that were in flight when the
last one broke: at most the in-flight window.
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

MAX_SHOWN = 10  # errors in the report


@dataclass
class EventChecker:
    """Counts received events and records errors; independent of MQTT."""

    window: int
    ids: dict[int, str] = field(default_factory=dict)  # seq -> the event's id
    received: int = 0
    replayed: int = 0
    connections: int = 0
    duplicates: int = 0  # including those that QoS 1 allows
    max_repeated: int = 0
    errors: list[str] = field(default_factory=list)
    _highest: int = 0
    _last: int | None = None  # last seq on this connection

    def online(self) -> None:
        """Record that the device connected."""
        self.connections += 1
        self._last = None

    def event(self, event: dict[str, Any]) -> None:
        """Record an event."""
        seq, name = int(event["seq"]), str(event["id"])
        self.received += 1
        self.replayed += bool(event["replayed"])
        if self._last is None:
            self._check_first(seq)
        elif seq != self._last + 1:
            self.errors.append(f"{seq} follows {self._last} on one connection")
        if self.ids.setdefault(seq, name) != name:
            self.errors.append(f"{seq} belongs to two events: {self.ids[seq]} and {name}")
        self.duplicates += seq <= self._highest
        self._highest = max(self._highest, seq)
        self._last = seq

    def _check_first(self, seq: int) -> None:
        repeated = self._highest + 1 - seq
        self.max_repeated = max(self.max_repeated, repeated)
        if repeated > self.window:
            self.errors.append(f"{seq} is repeated after {self._highest}: more than the window of {self.window}")

    def missing(self, last_seq: int) -> int:
        """Return how many of the numbers 1 to `last_seq` were not received."""
        return last_seq - sum(seq <= last_seq for seq in self.ids)

    def report(self, last_seq: int | None = None, dropped: int = 0) -> tuple[bool, str]:
        """Return whether all is right, and the figures as text.

        Args:
            last_seq: the last number, from the device's disk; None takes the highest received.
            dropped: how many events the device reports as dropped.
        """
        last = self._highest if last_seq is None else last_seq
        missing = self.missing(last)
        good = missing == dropped and not self.errors and self._highest == last
        allowed = f"at most {self.max_repeated} after a reconnect, {self.window} allowed"
        lines = [
            f"events received     {self.received:7d}   {self.replayed} replayed, on {self.connections} connections",
            f"sequence numbers    {len(self.ids):7d}   of 1 to {last}",
            f"missing             {missing:7d}   the device reports {dropped} dropped",
            f"duplicates          {self.duplicates:7d}   {allowed}",
            f"errors              {len(self.errors):7d}   wrong order, duplicate on one connection, number used twice",
            *(f"  {error}" for error in self.errors[:MAX_SHOWN]),
            "result              " + ("     ok" if good else " FAILED"),
        ]
        return good, "\n".join(lines)


class Subscriber:
    """Receives the messages of one device and checks them; reconnects. A context manager.

    It uses QoS 0. With QoS 1 it would send acknowledgements; when the broker is killed, sending one
    fails, and the client discards messages that it has received but not yet read. So every lost or
    duplicate event comes from the device.
    """

    def __init__(self, port: int, root: str, window: int, host: str = "127.0.0.1") -> None:
        self.checker = EventChecker(window)
        self.subscribed = threading.Event()  # set while the subscription is active
        self.health: dict[str, Any] = {}
        self._address = host, port
        self._root = root
        self._topics = [(f"{root}/{name}", SubscribeOptions(qos=0)) for name in ("availability", "events", "health")]
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topics)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message

    def __enter__(self) -> Subscriber:
        self._client.connect(*self._address)
        self._client.loop_start()
        self.subscribed.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        channel = message.topic.removeprefix(f"{self._root}/")
        if channel == "availability" and message.payload == b"online" and not message.retain:
            self.checker.online()
        elif channel == "events":
            self.checker.event(json.loads(message.payload))
        elif channel == "health":
            self.health = json.loads(message.payload)


def main(arguments: list[str]) -> int:
    """Subscribe for a while, then print the report; exit code 0 if all is right."""
    parser = argparse.ArgumentParser(prog="checker", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--root", required=True, help="the device's topics, such as emotion/porch")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to receive (%(default)g)")
    parser.add_argument("--window", type=int, default=20, help="device.mqtt.inflight (%(default)d)")
    args = parser.parse_args(arguments)
    with Subscriber(args.port, args.root, args.window, args.host) as subscriber:
        time.sleep(args.seconds)
    checker = subscriber.checker
    before = min(checker.ids, default=1) - 1  # published before we subscribed
    good, text = checker.report(dropped=before + dropped_events(subscriber))
    print(text)
    return 0 if good else 1


def dropped_events(subscriber: Subscriber) -> int:
    """Return the count of dropped events in the device's latest health message."""
    return int(subscriber.health.get("outbox", {}).get("dropped", 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
