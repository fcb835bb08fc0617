"""Runs one agent for a long time and records memory, threads, descriptors and child processes.

    python -m tests.soak.leak_test --minutes 60

A clip loops in real time, in which a face appears and disappears; the agent publishes to a real
broker. The figures of the agent and its child processes are sampled once a minute. The first
minutes do not count, because caches fill.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.broker import Mosquitto
from tests.support.clips import scene, write_clip
from tests.support.processes import descriptors

WARM_UP = 5  # samples that do not count
MAX_GROWTH_MB = 5.0


@dataclass(frozen=True)
class Sample:
    """Resources of a process and its children."""

    agent_mb: float  # resident
    children_mb: float
    threads: int  # of all of them
    descriptors: int
    children: int

    def __str__(self) -> str:
        return (
            f"{self.agent_mb:7.1f} MB agent {self.children_mb:7.1f} MB children {self.threads:3} threads"
            f" {self.descriptors:3} descriptors {self.children} children"
        )


def sample(pid: int) -> Sample:
    """Sample a process, from /proc."""
    children = _children(pid)
    pids = [pid, *children]
    return Sample(
        agent_mb=_resident_mb(pid),
        children_mb=sum(_resident_mb(child) for child in children),
        threads=sum(len(list(Path(f"/proc/{each}/task").iterdir())) for each in pids),
        descriptors=sum(map(descriptors, pids)),
        children=len(children),
    )


@contextmanager
def agent(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `device run` and a broker; end both."""
    frames = [scene([(180, 120, 200)])] * 60 + [scene([])] * 30
    clip = write_clip(folder / "clip.avi", frames, fps=15)
    broker = Mosquitto(folder).start()
    settings = {
        "purpose": "test", "jurisdiction": "eu", "id": "leak-test", "state_dir": folder / "state",
        "camera.source": clip, "camera.loop": "true", "mqtt.host": "127.0.0.1", "mqtt.port": broker.port,
    }  # fmt: skip
    options = [f"--set=device.{key}={value}" for key, value in settings.items()]
    running = subprocess.Popen([sys.executable, "-m", "device", "run", *options])
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        broker.kill()


def take_samples(running: subprocess.Popen[bytes], minutes: int, interval_s: float = 60.0) -> list[Sample]:
    """Take one sample a minute and print it."""
    samples = []
    for minute in range(1, minutes + 1):
        time.sleep(interval_s)
        if running.poll() is not None:
            raise SystemExit(f"the agent exited with code {running.returncode} in minute {minute}")
        samples.append(sample(running.pid))
        print(f"minute {minute:3} {samples[-1]}", flush=True)
    return samples


def find_growth(samples: list[Sample]) -> list[str]:
    """Return what has grown since the warm-up, as messages."""
    first, last = samples[min(WARM_UP, len(samples) - 1)], samples[-1]
    found = []
    for name in ("agent_mb", "children_mb"):
        grown = getattr(last, name) - getattr(first, name)
        if grown > MAX_GROWTH_MB:
            found.append(f"{name} grew by {grown:.1f}")
    found += [
        f"{name} went from {getattr(first, name)} to {getattr(last, name)}"
        for name in ("threads", "descriptors", "children")
        if getattr(last, name) > getattr(first, name)
    ]
    return found


def main() -> int:
    """Run the test; exit code 0 if nothing grew and no process was left, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="how long (default: 60)")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder, agent(Path(folder)) as running:
        samples = take_samples(running, minutes)
        pids = [running.pid, *_children(running.pid)]
        running.send_signal(signal.SIGTERM)
        code = running.wait(60)
        time.sleep(1)
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    found = (
        find_growth(samples) + ([f"exit code {code}"] if code else []) + ([f"processes left: {left}"] if left else [])
    )
    print(f"result     {'; '.join(found) or 'ok'}")
    return 1 if found else 0


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in found]


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
