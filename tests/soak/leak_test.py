"""Runs one agent for a long time and records its memory, threads, descriptors and children.

    python -m tests.soak.leak_test --minutes 60

A face comes and goes on a clip that loops in real time, from a camera process to a real broker.
The figures of the agent and its children are taken once a minute; the first minutes, in which
caches fill, do not count.
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

SETTLED = 5  # samples that do not count
ALLOWED_MB = 5.0


@dataclass(frozen=True)
class Sample:
    """What a process and its children hold."""

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
    """The figures of a process now, from /proc."""
    children = _children(pid)
    family = [pid, *children]
    return Sample(
        agent_mb=_resident_mb(pid),
        children_mb=sum(_resident_mb(child) for child in children),
        threads=sum(len(list(Path(f"/proc/{one}/task").iterdir())) for one in family),
        descriptors=sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in family),
        children=len(children),
    )


@contextmanager
def agent(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`device run` before a broker of its own; both are gone at the end."""
    frames = [scene([(180, 120, 200)])] * 60 + [scene([])] * 30
    clip = write_clip(folder / "clip.avi", frames, fps=15)
    broker = Mosquitto(folder).start()
    settings = {
        "purpose": "test", "jurisdiction": "eu", "id": "steady", "state_dir": folder / "state",
        "camera.source": clip, "camera.loop": "true", "mqtt.host": "127.0.0.1", "mqtt.port": broker.port,
    }  # fmt: skip
    words = [word for key, value in settings.items() for word in ("--set", f"device.{key}={value}")]
    running = subprocess.Popen([sys.executable, "-m", "device", "run", *words])
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        broker.kill()


def watch(running: subprocess.Popen[bytes], minutes: int, every_s: float = 60.0) -> list[Sample]:
    """One sample a minute, printed as it is taken."""
    samples = []
    for minute in range(1, minutes + 1):
        time.sleep(every_s)
        if running.poll() is not None:
            raise SystemExit(f"the agent ended with {running.returncode} in minute {minute}")
        samples.append(sample(running.pid))
        print(f"minute {minute:3} {samples[-1]}", flush=True)
    return samples


def judge(samples: list[Sample]) -> list[str]:
    """What has grown since the caches were filled; nothing if all is well."""
    settled, last = samples[min(SETTLED, len(samples) - 1)], samples[-1]
    found = []
    for name in ("agent_mb", "children_mb"):
        grown = getattr(last, name) - getattr(settled, name)
        if grown > ALLOWED_MB:
            found.append(f"{name} grew by {grown:.1f}")
    found += [
        f"{name} went from {getattr(settled, name)} to {getattr(last, name)}"
        for name in ("threads", "descriptors", "children")
        if getattr(last, name) > getattr(settled, name)
    ]
    return found


def main() -> int:
    """Exit code 0 if nothing grew and everything was gone at the end, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="how long (default: 60)")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder, agent(Path(folder)) as running:
        samples = watch(running, minutes)
        family = [running.pid, *_children(running.pid)]
        running.send_signal(signal.SIGTERM)
        code = running.wait(60)
        time.sleep(1)
        left = [pid for pid in family if Path(f"/proc/{pid}").exists()]
    found = judge(samples) + ([f"exit code {code}"] if code else []) + ([f"left behind: {left}"] if left else [])
    print(f"verdict    {'; '.join(found) or 'all is well'}")
    return 1 if found else 0


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in found]


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
