"""Kills agent and broker at random moments while a clip loops, then checks the received events.

    python -m tests.soak.crash_test --agent-kills 200 --broker-kills 50

The broker stores nothing when it is killed, and delivers nothing to a subscriber that is not
connected. So after each kill of the broker the proxy accepts the agent only when the checking
subscriber has subscribed again. All else is random.
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
from tests.soak.faulty_proxy import FaultyProxy
from tests.support.broker import Mosquitto, wait_for
from tests.support.clips import scene, write_clip
from tests.support.tiny_models import write_tiny

ROOT = "emotion/crash-test"
WINDOW = 20
WAIT_S = 300.0  # a timeout for a busy machine
# Without these limits the broker forwards an event before it acknowledges it.
BROKER = "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0"


class CrashTest:
    """Broker, proxy, subscriber and agents in one folder; see `crash_test`."""

    def __init__(self, folder: Path, stack: ExitStack, *settings: str) -> None:
        self.state = folder / "state"
        self.log = folder / "agents.log"
        self.broker = Mosquitto(folder, extra=BROKER).start()
        stack.callback(self.broker.kill)
        self.proxy = stack.enter_context(FaultyProxy(self.broker.port))
        self.subscriber = stack.enter_context(Subscriber(self.broker.port, ROOT, WINDOW))
        self.agents = Agents([*self._settings(folder), *settings], self.log)
        stack.callback(self.agents.close)
        self._connections = 0  # that the checker had counted at the last kill
        self.agents.start()

    def kill_agent(self) -> None:
        """Kill the agent with SIGKILL, and start a new one at once, as systemd does."""
        self.agents.end(signal.SIGKILL)
        self._connections = self.subscriber.checker.connections
        self.agents.start()

    def kill_broker(self, down_s: float) -> None:
        """Kill the broker with SIGKILL and restart it after `down_s`; the agent connects last."""
        self.broker.kill()
        self.proxy.accepting = False
        wait_for(lambda: not self.subscriber.subscribed.is_set(), "the subscriber to lose its connection")
        time.sleep(down_s)
        self.broker.start()
        wait_for(self.subscriber.subscribed.is_set, "the subscriber to connect again")
        self._connections = self.subscriber.checker.connections
        self.proxy.accepting = True

    def wait_for_a_connection(self) -> None:
        """Wait for a new connection of an agent since the last kill."""

        def has_connected() -> bool:
            self.restart_if_exited()
            return self.subscriber.checker.connections > self._connections

        wait_for(has_connected, "a connection", WAIT_S)

    def restart_if_exited(self) -> None:
        """Start a new agent if the last one exited because it found no broker, as systemd does."""
        if self.agents.has_exited:
            self.agents.end(signal.SIGTERM)
            self.agents.start()

    def finish(self) -> tuple[bool, str]:
        """Let the last agent send everything and exit; compare the events with its disk."""
        self.subscriber.health.clear()
        wait_for(self._is_drained, "an empty outbox", WAIT_S)
        self.agents.end(signal.SIGTERM)
        outbox = Outbox(self.state, OutboxConfig())
        last_seq, depth, dropped = outbox.last_seq, outbox.depth, outbox.dropped
        outbox.close()
        wait_for(lambda: depth or last_seq in self.subscriber.checker.ids, "the last event")
        good, text = self.subscriber.checker.report(last_seq, dropped)
        return good and depth == 0, f"on disk             {last_seq:7d}   events written, {depth} left\n{text}"

    def _is_drained(self) -> bool:
        self.restart_if_exited()
        outbox = self.subscriber.health.get("outbox")
        return outbox is not None and outbox["depth"] < WINDOW

    def _settings(self, folder: Path) -> Iterator[str]:
        """Settings for a clip in which a face appears and disappears with every other frame."""
        frame, face = (320, 240), (100, 60, 120)
        clip = write_clip(folder / "clip.avi", [scene([face] if n % 2 else [], *frame) for n in range(8)], fps=60)
        values = {
            "id": "crash-test",
            "purpose": "test",
            "jurisdiction": "elsewhere",
            "state_dir": self.state,
            "camera.source": clip,
            "camera.loop": "true",
            "detector.kind": "blazeface",
            "detector.view": "whole",
            "detector.interval_s": 0,
            "face_check.enabled": "false",  # it looks more than once
            "tracker.confirm_frames": 1,
            "tracker.lost_s": 0,
            "model.path": write_tiny(folder / "tiny.tflite"),
            "mqtt.host": "127.0.0.1",
            "mqtt.port": self.proxy.port,
            "mqtt.inflight": WINDOW,
            "mqtt.reconnect_min_s": 0.05,
            "mqtt.reconnect_max_s": 0.5,
            "report.health_s": 0.5,
        }
        return (f"device.{key}={value}" for key, value in values.items())


@contextmanager
def crash_test(folder: Path, *settings: str) -> Iterator[CrashTest]:
    """Run a `CrashTest` in an empty folder, with further settings; end all its processes."""
    with ExitStack() as stack:
        yield CrashTest(folder, stack, *settings)


def kill_at_random(
    test: CrashTest, agent_kills: int, broker_kills: int, generator: random.Random, max_pause_s: float
) -> None:
    """Kill in random order: half of the agents while they start, half while they are connected."""
    targets = ["agent"] * agent_kills + ["broker"] * broker_kills
    generator.shuffle(targets)
    for target in targets:
        if generator.random() < 0.5:
            test.wait_for_a_connection()
        time.sleep(generator.uniform(0, max_pause_s))
        test.restart_if_exited()
        if target == "agent":
            test.kill_agent()
        else:
            test.kill_broker(generator.uniform(0, 1))


def main(arguments: list[str]) -> int:
    """Run the crash test and print the report; exit code 0 if all is right."""
    parser = argparse.ArgumentParser(prog="crash_test", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agent-kills", type=int, default=20, metavar="N", help="(%(default)d)")
    parser.add_argument("--broker-kills", type=int, default=5, metavar="N", help="(%(default)d)")
    parser.add_argument(
        "--longest-s", type=float, default=2.0, metavar="S", help="longest pause between kills (%(default)g)"
    )
    parser.add_argument("--folder", type=Path, metavar="F", help="for state and logs (default: a temporary one)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)d)")
    args = parser.parse_args(arguments)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name, crash_test(args.folder or Path(name)) as test:
        kill_at_random(test, args.agent_kills, args.broker_kills, random.Random(args.seed), args.longest_s)
        good, text = test.finish()
    print(f"SIGKILL             {args.agent_kills:7d}   agents, {args.broker_kills} brokers, seed {args.seed}")
    print(f"agents started      {test.agents.started:7d}   in {time.monotonic() - started_s:.0f} s")
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
