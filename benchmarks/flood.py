"""What `status` requests do to events: how late events arrive, and how much memory grows.

    python -m benchmarks.flood [--agent] [--rate 1000] [--seconds 20] [--json]

A real Mosquitto, the real publisher in a process of its own with two events a second, and a
client that sends requests of QoS 1 at a steady rate. With `--agent` it is the whole of `device run`
in place of the publisher, with a clip in which a face comes and goes every two seconds. Exits 1 if
an event is missing, arrives more than a second late, or the process grows by more than 20 MB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.broker import Listener, Mosquitto, wait_for
from tests.support.clips import scene, write_clip

ROOT = "emotion/porch"
QUIET_S = 10.0  # before the flood, for comparison
TICK_S = 0.01
MAX_LATE_S, MAX_GROWTH_MB = 1.0, 20.0

DEVICE = """
import sys, time
from pathlib import Path
from device.host.board import memory_mb
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.reports import CameraReport, Progress
from tests.device.mqtt.porch import MODEL, config, event, face

publisher = MqttPublisher(config(int(sys.argv[1]), Path(sys.argv[2]), "device.report.health_s=1"), MODEL)
publisher.report(CameraReport("running"))
track = 0
while True:
    publisher.report(Progress(fps=15.0, frames=1, stages={}))
    for tick in range(15):
        if tick in (0, 7):
            track += 1
            publisher.publish([event("start", track)], [face()])
        else:
            publisher.publish([], [face()])
        time.sleep(1 / 15)
"""


def flood(rate: int, seconds: float, agent: bool) -> dict[str, Any]:
    """Run it; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder), extra="allow_anonymous true\nmax_queued_messages 100000").start()
        command = _agent(Path(folder), broker.port) if agent else ["-c", DEVICE, str(broker.port), folder]
        device = subprocess.Popen([sys.executable, *command])
        try:
            topics = [f"{ROOT}/{name}" for name in ("events", "health", "cmd/response/+")]
            with Listener(broker.port, *topics) as listener:
                arrived: dict[int, float] = {}
                listener._client.on_message = lambda _client, _data, message: _note(message, listener, arrived)
                wait_for(lambda: len(arrived) >= 2, "the first events")
                time.sleep(QUIET_S)
                before = len(arrived)
                memory = [_memory_mb(device.pid)]
                sent = _send(broker.port, rate, seconds, lambda: memory.append(_memory_mb(device.pid)))
                time.sleep(2)
                quiet, late = (
                    [arrived[seq] for seq in sorted(arrived)][part] for part in (slice(2, before), slice(before, None))
                )
                responses = [json.loads(text) for text in listener.texts(f"{ROOT}/cmd/response/status")]
                return {
                    "requests": sent,
                    "seconds": seconds,
                    "answered": sum(answer["status"] == "ok" for answer in responses),
                    "refused": sum(answer["status"] == "error" for answer in responses),
                    "events": len(late),
                    "events_missing": max(arrived) - len(arrived),
                    "event_late_max_quiet_s": round(max(quiet), 3),
                    "event_late_max_s": round(max(late, default=seconds), 3),
                    "event_late_median_s": round(statistics.median(late or [seconds]), 3),
                    "health_messages": len(listener.texts(f"{ROOT}/health")),
                    "memory_before_mb": round(memory[0], 1),
                    "memory_growth_mb": round(max(memory) - memory[0], 1),
                }
        finally:
            device.kill()
            device.wait()
            broker.kill()


def _agent(folder: Path, port: int) -> list[str]:
    """The arguments of Python that run the agent."""
    clip = write_clip(folder / "clip.avi", [scene([(200, 100, 200)] if n < 15 else []) for n in range(30)], fps=15)
    values = {
        "id": "porch",
        "purpose": "test",
        "jurisdiction": "elsewhere",
        "state_dir": folder / "state",
        "camera.source": clip,
        "camera.loop": "true",
        "tracker.lost_s": 0.2,
        "mqtt.host": "127.0.0.1",
        "mqtt.port": port,
        "report.health_s": 1,
    }
    return ["-m", "device", "run", *(f"--set=device.{key}={value}" for key, value in values.items())]


def _note(message: Any, listener: Listener, arrived: dict[int, float]) -> None:
    listener.heard.append(message)
    if message.topic == f"{ROOT}/events":
        event = json.loads(message.payload)
        arrived[event["seq"]] = time.time() - event["ts"]


def _send(port: int, rate: int, seconds: float, each_second: Any) -> int:
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    started_s, sent, second = time.monotonic(), 0, 1.0
    while (elapsed_s := time.monotonic() - started_s) < seconds:
        while sent < rate * elapsed_s:
            client.publish(f"{ROOT}/cmd/request/status", f'{{"transaction": "{sent}"}}', qos=1)
            sent += 1
        if elapsed_s > second:
            second += 1
            each_second()
        time.sleep(TICK_S)
    client.disconnect()
    client.loop_stop()
    return sent


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> int:
    """Print the figures; 1 if they are too bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", action="store_true", help="the whole of `device run`")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second (%(default)d)")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration (%(default)g)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    figures = flood(args.rate, args.seconds, args.agent)
    print(json.dumps(figures, indent=2) if args.json else "\n".join(f"{k:22} {v}" for k, v in figures.items()))
    good = figures["event_late_max_s"] <= MAX_LATE_S and figures["memory_growth_mb"] <= MAX_GROWTH_MB
    return 0 if good and not figures["events_missing"] else 1


if __name__ == "__main__":
    sys.exit(main())
