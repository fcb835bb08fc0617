"""Records many events while the broker is down, then checks what is sent when it is back.

python -m tests.soak.backlog --events 20000 --max-events 5000
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from device.config.schema import load_config
from device.messages import EmotionEvent, ModelInfo
from device.publishing.mqtt_publisher import MqttPublisher
from tests.soak.checker import Subscriber
from tests.soak.crash_test import BROKER, WAIT_S, WINDOW
from tests.soak.faulty_proxy import FaultyProxy
from tests.support.broker import Mosquitto, wait_for

MODEL = ModelInfo(name="compact", version="1", digest="0" * 64, labels=("happy", "sad"))
ROOT = "emotion/backlog"


def event(track: int) -> EmotionEvent:
    """Return a start event, as the pipeline makes one for each new face."""
    scores = {"happy": 0.75, "sad": 0.25}
    return EmotionEvent(type="start", track=track, ts=time.time(), emotion="happy", confidence=0.75, scores=scores)


class OutageTest:
    """A publisher, a broker that can be down, and a subscriber; all end with the stack."""

    def __init__(self, folder: Path, stack: ExitStack, max_events: int) -> None:
        self.broker = Mosquitto(folder, extra=BROKER).start()
        stack.callback(self.broker.kill)
        self.proxy = stack.enter_context(FaultyProxy(self.broker.port))
        self.subscriber = stack.enter_context(Subscriber(self.broker.port, ROOT, WINDOW))
        values = {
            "id": "backlog",
            "state_dir": folder / "state",
            "mqtt.host": "127.0.0.1",
            "mqtt.port": self.proxy.port,
            "mqtt.inflight": WINDOW,
            "mqtt.reconnect_max_s": 1,
            "outbox.max_events": max_events,
        }
        config = load_config(overrides=[f"device.{key}={value}" for key, value in values.items()])
        self.publisher = MqttPublisher(config, MODEL)
        stack.callback(self.publisher.close)

    def record(self, events: int) -> float:
        """Record events while the broker is down; return the seconds it took."""
        self.proxy.accepting = False
        self.broker.kill()
        started_s = time.monotonic()
        for track in range(1, events + 1):
            self.publisher.publish([event(track)], [])
        return time.monotonic() - started_s

    def deliver(self, events: int) -> float:
        """Start the broker again until the last event arrives; return the seconds it took."""
        wait_for(lambda: not self.subscriber.subscribed.is_set(), "the subscriber to lose its connection")
        self.broker.start()
        wait_for(self.subscriber.subscribed.is_set, "the subscriber to connect again")
        started_s = time.monotonic()
        self.proxy.accepting = True
        wait_for(lambda: self.publisher._outbox.depth == 0, "an empty outbox", WAIT_S)
        wait_for(lambda: events in self.subscriber.checker.ids, "the last event", WAIT_S)
        return time.monotonic() - started_s


def run_outage(folder: Path, events: int, max_events: int) -> tuple[bool, str]:
    """Record events while the broker is down; return whether all is right, and the figures."""
    with ExitStack() as stack:
        test = OutageTest(folder, stack, max_events)
        recorded_s, sent_s = test.record(events), test.deliver(events)
        outbox, checker = test.publisher._outbox, test.subscriber.checker
        good, text = checker.report(outbox.last_seq, outbox.dropped)
    newest = set(range(events - min(events, max_events) + 1, events + 1))
    exact = checker.ids.keys() == newest and checker.replayed == checker.received
    head = f"recorded            {events:7d}   in {recorded_s:.0f} s, at most {max_events} kept; sent in {sent_s:.0f} s"
    tail = f"only the newest     {len(newest):7d}   all with replayed: true: {'yes' if exact else 'NO'}"
    return good and exact, f"{head}\n{text}\n{tail}"


def main(arguments: list[str]) -> int:
    """Run the outage and print the report; exit code 0 if all is right."""
    parser = argparse.ArgumentParser(prog="backlog", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, metavar="N", help="(%(default)d)")
    parser.add_argument("--max-events", type=int, default=20_000, metavar="N", help="outbox.max_events (%(default)d)")
    args = parser.parse_args(arguments)
    logging.getLogger("device").setLevel(logging.ERROR)  # the broker is down on purpose
    with tempfile.TemporaryDirectory() as name:
        good, text = run_outage(Path(name), args.events, args.max_events)
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
