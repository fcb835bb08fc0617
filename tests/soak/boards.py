"""Hundreds of boards in one process: real publisher, outbox and connection, scripted camera.

As a program it runs the boards until it is killed or stopped. Commands come as lines of standard
input: `go` connects all boards at once and prints the result, `figures` prints the resources used,
`stop` ends the boards cleanly.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import logging
import random
import select
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from device.config.schema import DeviceConfig, load_config
from device.host import board
from device.host.board import memory_mb
from device.messages import EmotionEvent, ModelInfo, Stage, Throttling, TrackState
from device.publishing import status_reporter
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.reports import CameraReport, Progress

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
MODEL = ModelInfo(name="simulated", version="1", digest="5" * 64, labels=LABELS)
TICK_S = 1.0
HERE_S, AWAY_S, STEADY_S = 20.0, 100.0, 5.0  # mean times: a face stays, is gone, keeps its expression
QUIET = 5  # of the seconds without a face one in so many is told, and of all one in twice as many reported
FPS = 15.0
AT_ONCE = 10  # of a process's boards begin or end at the same time
SWITCH_S = 0.1  # hundreds of threads in one interpreter; each that waits for it asks so often


class Board:
    """One board: what the chain would find, from a random number generator, to a real publisher.

    Args:
        config: a board's settings.
        seed: of its people.
    """

    def __init__(self, config: DeviceConfig, seed: int) -> None:
        self._config = config
        self._chance = random.Random(seed)
        self._track = 0
        self._face: TrackState | None = None
        self._ticks = 0
        self._publisher: MqttPublisher | None = None

    def connect(self) -> None:
        """Come to life; raises what `MqttPublisher` raises."""
        self._publisher = MqttPublisher(self._config, MODEL)
        self._publisher.report(CameraReport("running"))

    def tick(self) -> None:
        """A second passes."""
        assert self._publisher is not None
        events = self._happen()
        self._ticks += 1
        if events or self._face or self._ticks % QUIET == 0:
            self._publisher.publish(events, [self._face] if self._face else [])
        if self._ticks % (2 * QUIET) == 1:
            frames = round(self._ticks * FPS * TICK_S)
            took = {"total": Stage(p50_ms=20.0, p95_ms=25.0, max_ms=40.0, n=100)}
            self._publisher.report(Progress(fps=FPS, frames=frames, stages=took, last_frame_s=time.monotonic()))

    def close(self) -> None:
        """End in order."""
        if self._publisher is not None:
            self._publisher.close()

    def _happen(self) -> list[EmotionEvent]:
        """A face comes, changes or leaves; or nothing happens, as mostly."""
        before = self._face
        if before is None:
            if not self._chances(AWAY_S):
                return []
            self._track += 1
            self._face = self._read()
            return [_event("start", self._face, None)]
        if self._chances(HERE_S):
            self._face = None
            return [_event("end", before, before.emotion)]
        if not self._chances(STEADY_S):
            return []
        self._face = self._read()
        return [_event("update", self._face, before.emotion)]

    def _chances(self, mean_s: float) -> bool:
        return self._chance.random() < TICK_S / mean_s

    def _read(self) -> TrackState:
        weights = [self._chance.random() for _ in LABELS]
        scores = {label: weight / sum(weights) for label, weight in zip(LABELS, weights, strict=True)}
        emotion = max(scores, key=lambda label: scores[label])
        return TrackState(
            track=self._track,
            ts=time.time(),
            emotion=emotion,
            confidence=scores[emotion],
            scores=scores,
            box=(9, 9, 99, 99),
        )


def _event(kind: str, face: TrackState, previous: str | None) -> EmotionEvent:
    return EmotionEvent(
        type=kind,  # type: ignore[arg-type]
        track=face.track,
        ts=time.time(),
        emotion=face.emotion,
        confidence=face.confidence,
        scores=face.scores,
        previous=previous,
        box=face.box,
    )


def name(number: int) -> str:
    """A board's id."""
    return f"board-{number:04d}"


def config(number: int, port: int, folder: Path, settings: Sequence[str] = ()) -> DeviceConfig:
    """A board's settings: its own name, user and state folder.

    Args:
        number: which board.
        port: of the broker on loopback.
        folder: holds the state folders; boards connect with its file `password`, if it has one.
        settings: as for `device run --set`.
    """
    values = {"id": name(number), "mqtt.host": "127.0.0.1", "mqtt.port": port, "state_dir": folder / name(number)}
    if (folder / "password").exists():
        (folder / f"{name(number)}.user").write_text(name(number))
        values |= {"mqtt.username_file": folder / f"{name(number)}.user", "mqtt.password_file": folder / "password"}
    return load_config(overrides=[*(f"device.{key}={value}" for key, value in values.items()), *settings])


def live(boards: list[Board]) -> None:
    """Run the boards, their ticks spread over time, and follow standard input until it ends."""
    due_s = time.monotonic()
    for each in itertools.cycle(boards):
        while (left_s := due_s - time.monotonic()) > -TICK_S:
            readable, _, _ = select.select([sys.stdin], [], [], max(0.0, left_s))
            if readable and _obey(sys.stdin.readline(), -left_s):
                return
            if left_s <= 0:
                break
        else:
            due_s = time.monotonic()  # stopped by a signal, or too slow: what was missed is not made up for
        each.tick()
        due_s += TICK_S / len(boards)


def _obey(line: str, late_s: float) -> bool:
    """Whether it is time to stop."""
    if line == "figures\n":
        print(json.dumps({"memory_mb": memory_mb(), "cpu_s": time.process_time(), "late_s": late_s}), flush=True)
    return line in ("", "stop\n")


def play_a_pi() -> None:
    """Replace what one board asks the machine rarely, but a hundred boards ask all the time."""

    def throttling(root: Path = board.ROOT) -> Throttling:
        return Throttling(now=(), since_boot=())

    board.throttling = throttling  # else `vcgencmd` is looked for with every health message
    status_reporter.version = functools.cache(version)  # type: ignore[attr-defined]


def main(arguments: list[str]) -> int:
    """Hold boards; ends when standard input does."""
    parser = argparse.ArgumentParser(prog="boards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--first", type=int, required=True, help="number of the first board")
    parser.add_argument("--count", type=int, required=True, help="how many")
    parser.add_argument("--port", type=int, required=True, help="of the broker on loopback")
    parser.add_argument("--folder", type=Path, required=True, help="for state folders, and a file `password`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for `device run`")
    args = parser.parse_args(arguments)
    sys.setswitchinterval(SWITCH_S)
    play_a_pi()
    logging.getLogger("device").setLevel(logging.ERROR)  # a broker that goes and comes is no news here
    numbers = range(args.first, args.first + args.count)
    boards = [Board(config(number, args.port, args.folder, args.set), number) for number in numbers]
    print("ready", flush=True)
    sys.stdin.readline()
    began_s = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(Board.connect, boards))
    print(json.dumps({"connected": len(boards), "seconds": round(time.monotonic() - began_s, 2)}), flush=True)
    live(boards)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(Board.close, boards))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
