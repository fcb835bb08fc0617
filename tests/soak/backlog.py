"""A broker that is away while many events happen: what comes afterwards, and what was given up.

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
from tests.soak.crash_test import BROKER, PATIENCE_S, WINDOW
from tests.soak.faulty_proxy import Door
from tests.support.broker import Mosquitto, wait_for

MODEL = ModelInfo(name="compact", version="1", digest="0" * 64, labels=("happy", "sad"))
ROOT = "emotion/backlog"


def event(track: int) -> EmotionEvent:
    """As the chain makes them, of one of many faces."""
    scores = {"happy": 0.75, "sad": 0.25}
    return EmotionEvent(type="start", track=track, ts=time.time(), emotion="happy", confidence=0.75, scores=scores)


class Absence:
    """A publisher whose broker comes and goes, and a checker who hears it; ends with the stack."""

    def __init__(self, folder: Path, stack: ExitStack, max_events: int) -> None:
        self.broker = Mosquitto(folder, extra=BROKER).start()
        stack.callback(self.broker.kill)
        self.door = stack.enter_context(Door(self.broker.port))
        self.checker = stack.enter_context(Subscriber(self.broker.port, ROOT, WINDOW))
        values = {
            "id": "backlog",
            "state_dir": folder / "state",
            "mqtt.host": "127.0.0.1",
            "mqtt.port": self.door.port,
            "mqtt.inflight": WINDOW,
            "mqtt.reconnect_max_s": 1,
            "outbox.max_events": max_events,
        }
        config = load_config(overrides=[f"device.{key}={value}" for key, value in values.items()])
        self.publisher = MqttPublisher(config, MODEL)
        stack.callback(self.publisher.close)

    def record(self, events: int) -> float:
        """Let so many events happen while the broker is away; seconds it took."""
        self.door.open = False
        self.broker.kill()
        began_s = time.monotonic()
        for track in range(1, events + 1):
            self.publisher.publish([event(track)], [])
        return time.monotonic() - began_s

    def listen(self, events: int) -> float:
        """Let the broker be back until the last event was heard; seconds it took."""
        wait_for(lambda: not self.checker.listening.is_set(), "the checker to notice")
        self.broker.start()
        wait_for(self.checker.listening.is_set, "the checker to be back")
        began_s = time.monotonic()
        self.door.open = True
        wait_for(lambda: self.publisher._outbox.depth == 0, "an empty outbox", PATIENCE_S)
        wait_for(lambda: events in self.checker.ledger.ids, "the last event", PATIENCE_S)
        return time.monotonic() - began_s


def away(folder: Path, events: int, max_events: int) -> tuple[bool, str]:
    """Let the broker be away for the time of `events` events; the verdict, and the figures."""
    with ExitStack() as stack:
        absence = Absence(folder, stack, max_events)
        recorded_s, said_s = absence.record(events), absence.listen(events)
        outbox, ledger = absence.publisher._outbox, absence.checker.ledger
        good, text = ledger.report(outbox.last_seq, outbox.dropped)
    newest = set(range(events - min(events, max_events) + 1, events + 1))
    exact = ledger.ids.keys() == newest and ledger.replayed == ledger.heard
    head = f"recorded            {events:7d}   in {recorded_s:.0f} s, room for {max_events}; said in {said_s:.0f} s"
    tail = f"exactly the newest  {len(newest):7d}   each with replayed: true: {'yes' if exact else 'NO'}"
    return good and exact, f"{head}\n{text}\n{tail}"


def main(arguments: list[str]) -> int:
    """Be away, report; the exit code is the verdict."""
    parser = argparse.ArgumentParser(prog="backlog", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, metavar="N", help="(%(default)d)")
    parser.add_argument("--max-events", type=int, default=20_000, metavar="N", help="bound (%(default)d)")
    args = parser.parse_args(arguments)
    logging.getLogger("device").setLevel(logging.ERROR)  # that the broker is away is no news here
    with tempfile.TemporaryDirectory() as name:
        good, text = away(Path(name), args.events, args.max_events)
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
