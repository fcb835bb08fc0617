"""Kills agent and broker at random moments while a clip loops, then has the checker say what came.

    python -m tests.soak.crash_test --agent-kills 200 --broker-kills 50

The broker keeps nothing when it is killed, and delivers nothing to an absent subscriber. So after
each kill the proxy opens for the agent only when the checker has subscribed again. All else is
random.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from device.config.schema import OutboxConfig
from device.outbox.outbox import Outbox
from tests.soak.agents import Agents
from tests.soak.checker import Subscriber
from tests.soak.faulty_proxy import Door
from tests.support.broker import Mosquitto, wait_for
from tests.support.clips import scene, write_clip
from tests.support.tiny_models import write_tiny

ROOT = "emotion/siege"
WINDOW = 20
PATIENCE_S = 300.0  # on a machine that does much else
# Without limits of its own the broker hands an event on before it acknowledges it.
BROKER = "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0"


class Siege:
    """Broker, door, checker and agents in one folder; `besieged` makes one and ends it."""

    def __init__(self, folder: Path, stack: ExitStack, *settings: str) -> None:
        self.state = folder / "state"
        self.log = folder / "agents.log"
        self.broker = Mosquitto(folder, extra=BROKER).start()
        stack.callback(self.broker.kill)
        self.door = stack.enter_context(Door(self.broker.port))
        self.checker = stack.enter_context(Subscriber(self.broker.port, ROOT, WINDOW))
        self.agents = Agents([*self._settings(folder), *settings], self.log)
        stack.callback(self.agents.close)
        self._connections = 0  # of the checker's count, at the last blow
        self.agents.start()

    def kill_agent(self) -> None:
        """SIGKILL, and a new one at once, as systemd would."""
        self.agents.end(signal.SIGKILL)
        self._connections = self.checker.ledger.connections
        self.agents.start()

    def kill_broker(self, away_s: float) -> None:
        """SIGKILL, and a new one after a while; the checker is let in first."""
        self.broker.kill()
        self.door.open = False
        wait_for(lambda: not self.checker.listening.is_set(), "the checker to notice")
        time.sleep(away_s)
        self.broker.start()
        wait_for(self.checker.listening.is_set, "the checker to be back")
        self._connections = self.checker.ledger.connections
        self.door.open = True

    def wait_for_a_connection(self) -> None:
        """Until there was one since the last blow."""

        def there_is_one() -> bool:
            self.keep_alive()
            return self.checker.ledger.connections > self._connections

        wait_for(there_is_one, "a connection", PATIENCE_S)

    def keep_alive(self) -> None:
        """Restart an agent that found no broker at its start and exited, as systemd does."""
        if self.agents.ended:
            self.agents.end(signal.SIGTERM)
            self.agents.start()

    def finish(self) -> tuple[bool, str]:
        """Let the last agent publish everything and exit; compare the checker with its disk."""
        self.checker.health.clear()
        wait_for(self._drained, "an empty outbox", PATIENCE_S)
        self.agents.end(signal.SIGTERM)
        outbox = Outbox(self.state, OutboxConfig())
        last_seq, depth, dropped = outbox.last_seq, outbox.depth, outbox.dropped
        outbox.close()
        wait_for(lambda: depth or last_seq in self.checker.ledger.ids, "the last event")
        good, text = self.checker.ledger.report(last_seq, dropped)
        return good and depth == 0, f"on disk             {last_seq:7d}   numbers given, {depth} events left\n{text}"

    def _drained(self) -> bool:
        self.keep_alive()
        outbox = self.checker.health.get("outbox")
        return outbox is not None and outbox["depth"] < WINDOW

    def _settings(self, folder: Path) -> Iterator[str]:
        """A clip on which faces come and go with every other frame."""
        frame, face = (320, 240), (100, 60, 120)
        clip = write_clip(folder / "clip.avi", [scene([face] if n % 2 else [], *frame) for n in range(8)], fps=60)
        wanted = {
            "id": "siege",
            "purpose": "test",
            "jurisdiction": "elsewhere",
            "state_dir": self.state,
            "camera.source": clip,
            "camera.loop": "true",
            "detector.view": "whole",
            "tracker.confirm_frames": 1,
            "tracker.lost_s": 0,
            "model.path": write_tiny(folder / "tiny.tflite"),
            "mqtt.host": "127.0.0.1",
            "mqtt.port": self.door.port,
            "mqtt.inflight": WINDOW,
            "mqtt.reconnect_min_s": 0.05,
            "mqtt.reconnect_max_s": 0.5,
            "report.health_s": 0.5,
        }
        return (f"device.{key}={value}" for key, value in wanted.items())


@contextmanager
def besieged(folder: Path, *settings: str) -> Iterator[Siege]:
    """A siege in a folder of its own, with settings beyond its own; everything ends with it."""
    with ExitStack() as stack:
        yield Siege(folder, stack, *settings)


def storm(siege: Siege, agent_kills: int, broker_kills: int, chance: random.Random, longest_s: float) -> None:
    """Kill in random order: half of the agents while they begin, half while they speak."""
    blows = ["agent"] * agent_kills + ["broker"] * broker_kills
    chance.shuffle(blows)
    for blow in blows:
        if chance.random() < 0.5:
            siege.wait_for_a_connection()
        time.sleep(chance.uniform(0, longest_s))
        siege.keep_alive()
        if blow == "agent":
            siege.kill_agent()
        else:
            siege.kill_broker(chance.uniform(0, 1))


def main(arguments: list[str]) -> int:
    """Besiege, report; the exit code is the verdict."""
    parser = argparse.ArgumentParser(prog="siege", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agent-kills", type=int, default=20, metavar="N", help="(%(default)d)")
    parser.add_argument("--broker-kills", type=int, default=5, metavar="N", help="(%(default)d)")
    parser.add_argument("--longest-s", type=float, default=2.0, metavar="S", help="at most (%(default)g)")
    parser.add_argument("--folder", type=Path, metavar="F", help="for state and logs (a temporary one)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)d)")
    args = parser.parse_args(arguments)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name, besieged(args.folder or Path(name)) as siege:
        storm(siege, args.agent_kills, args.broker_kills, random.Random(args.seed), args.longest_s)
        good, text = siege.finish()
    print(f"SIGKILL             {args.agent_kills:7d}   agents, {args.broker_kills} brokers, seed {args.seed}")
    print(f"agents              {siege.agents.started:7d}   started, in {time.monotonic() - began_s:.0f} s")
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
