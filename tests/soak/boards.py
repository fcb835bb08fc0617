"""Hundreds of simulated boards in one process: real publisher, outbox and connection, random faces.

As a program it runs the boards until it is killed or stopped. It reads commands from standard
input, one a line: `go` connects all boards at once and prints the result, `figures` prints the
resources used and how many boards are connected, `events` prints the last number of each board and
how many of its events wait, `stop` ends the boards cleanly.
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
from device.errors import BrokerError
from device.host import board
from device.host.board import memory_mb
from device.messages import EmotionEvent, ModelInfo, Stage, Throttling, TrackState
from device.publishing import status_reporter
from device.publishing.mqtt_publisher import MqttPublisher
from device.publishing.reports import CameraReport, Progress

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
MODEL = ModelInfo(name="simulated", version="1", digest="5" * 64, labels=LABELS)
TICK_S = 1.0
PRESENT_S, ABSENT_S, LABEL_S = 20.0, 100.0, 5.0  # mean times: with a face, without one, of one label
IDLE_TICKS = 5  # ticks between two messages without a face; half the ticks between two progress reports
FPS = 15.0
RESTART_S, MAX_REFUSED = 5.0, 60  # RestartSec of the unit; it tries for ever, we do not
WORKERS = 10  # threads that connect or close the boards
SWITCH_S = 0.1  # thread switch interval: with hundreds of threads the default costs too much


class Board:
    """One board: random faces in place of the pipeline, and a real publisher.

    Args:
        config: settings of the board.
        seed: of its random faces.
    """

    def __init__(self, config: DeviceConfig, seed: int) -> None:
        self.id = config.id
        self._config = config
        self._random = random.Random(seed)
        self._track = 0
        self._face: TrackState | None = None
        self._ticks = 0
        self._publisher: MqttPublisher | None = None

    def connect(self) -> int:
        """Connect; if refused, try again as systemd does. Returns how often it was refused."""
        refused = 0
        while self._publisher is None:
            try:
                self._publisher = MqttPublisher(self._config, MODEL)
            except BrokerError:
                refused += 1
                if refused == MAX_REFUSED:
                    raise
                time.sleep(RESTART_S)
        self._publisher.report(CameraReport("running"))
        return refused

    def tick(self) -> None:
        """Simulate one second."""
        assert self._publisher is not None
        events = self._next_events()
        self._ticks += 1
        if events or self._face or self._ticks % IDLE_TICKS == 0:
            self._publisher.publish(events, [self._face] if self._face else [])
        if self._ticks % (2 * IDLE_TICKS) == 1:
            frames = round(self._ticks * FPS * TICK_S)
            stages = {"total": Stage(p50_ms=20.0, p95_ms=25.0, max_ms=40.0, n=100)}
            self._publisher.report(Progress(fps=FPS, frames=frames, stages=stages, last_frame_s=time.monotonic()))

    @property
    def connected(self) -> bool:
        """It has a connection now."""
        return self._publisher is not None and self._publisher._worker._client.up

    def events(self) -> tuple[int, int]:
        """The last number on disk, and how many events wait."""
        assert self._publisher is not None
        return self._publisher._outbox.last_seq, self._publisher._outbox.depth

    def close(self) -> None:
        """Disconnect cleanly."""
        if self._publisher is not None:
            self._publisher.close()

    def _next_events(self) -> list[EmotionEvent]:
        """A face appears, changes or leaves at random; mostly nothing happens."""
        before = self._face
        if before is None:
            if not self._happens(ABSENT_S):
                return []
            self._track += 1
            self._face = self._random_state()
            return [_event("start", self._face, None)]
        if self._happens(PRESENT_S):
            self._face = None
            return [_event("end", before, before.emotion)]
        if not self._happens(LABEL_S):
            return []
        self._face = self._random_state()
        return [_event("update", self._face, before.emotion)]

    def _happens(self, mean_s: float) -> bool:
        return self._random.random() < TICK_S / mean_s

    def _random_state(self) -> TrackState:
        weights = [self._random.random() for _ in LABELS]
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
    """Return the id of a board."""
    return f"board-{number:04d}"


def config(number: int, port: int, folder: Path, settings: Sequence[str] = ()) -> DeviceConfig:
    """Return the settings of a board, with its own id, user and state folder.

    Args:
        number: of the board.
        port: of the broker on 127.0.0.1.
        folder: for state folders; if it has a file `password`, boards log in with it.
        settings: values for `device run --set`.
    """
    values = {"id": name(number), "mqtt.host": "127.0.0.1", "mqtt.port": port, "state_dir": folder / name(number)}
    if (folder / "password").exists():
        (folder / f"{name(number)}.user").write_text(name(number))
        values |= {"mqtt.username_file": folder / f"{name(number)}.user", "mqtt.password_file": folder / "password"}
    return load_config(overrides=[*(f"device.{key}={value}" for key, value in values.items()), *settings])


def run_boards(boards: list[Board]) -> None:
    """Tick the boards, evenly spread over time, and handle commands until standard input ends."""
    due_s = time.monotonic()
    for each in itertools.cycle(boards):
        while (left_s := due_s - time.monotonic()) > -TICK_S:
            readable, _, _ = select.select([sys.stdin], [], [], max(0.0, left_s))
            if readable and _handle_command(sys.stdin.readline(), boards, -left_s):
                return
            if left_s <= 0:
                break
        else:
            due_s = time.monotonic()  # paused by a signal, or too slow: missed ticks are skipped
        each.tick()
        due_s += TICK_S / len(boards)


def _handle_command(line: str, boards: list[Board], late_s: float) -> bool:
    """Return whether to stop."""
    if line == "figures\n":
        used = {"memory_mb": memory_mb(), "cpu_s": time.process_time(), "late_s": late_s}
        print(json.dumps(used | {"connected": sum(each.connected for each in boards)}), flush=True)
    if line == "events\n":
        print(json.dumps({each.id: each.events() for each in boards}), flush=True)
    return line in ("", "stop\n")


def stub_host_queries() -> None:
    """Replace queries of the host that are cheap for one board, but not for a hundred in one
    process.
    """

    def throttling(root: Path = board.ROOT) -> Throttling:
        return Throttling(now=(), since_boot=())

    board.throttling = throttling  # else every health message searches for `vcgencmd`
    status_reporter.version = functools.cache(version)  # type: ignore[attr-defined]


def main(arguments: list[str]) -> int:
    """Run the boards until standard input ends or a `stop`."""
    parser = argparse.ArgumentParser(prog="boards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--first", type=int, required=True, help="number of the first board")
    parser.add_argument("--count", type=int, required=True, help="number of boards")
    parser.add_argument("--port", type=int, required=True, help="of the broker on 127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="for state folders, and a file `password`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in `device run`")
    args = parser.parse_args(arguments)
    sys.setswitchinterval(SWITCH_S)
    stub_host_queries()
    logging.getLogger("device").setLevel(logging.ERROR)  # tests stop the broker on purpose
    numbers = range(args.first, args.first + args.count)
    boards = [Board(config(number, args.port, args.folder, args.set), number) for number in numbers]
    print("ready", flush=True)
    sys.stdin.readline()
    started_s = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        refused = sum(pool.map(Board.connect, boards))
    seconds = round(time.monotonic() - started_s, 2)
    print(json.dumps({"connected": len(boards), "seconds": seconds, "refused": refused}), flush=True)
    run_boards(boards)
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(Board.close, boards))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
