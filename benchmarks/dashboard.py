"""CPU and memory of `device dashboard` with 30 faces and 10 pages, streamed and polled.

    python -m benchmarks.dashboard [--faces 30] [--pages 10] [--rate 5] [--seconds 20] [--json]

A real Mosquitto, the real command, a board that publishes every face's state `--rate` times a
second and a summary once a second, and pages that read. CPU is the server's own, user and system,
as a share of one core; the pages and the board run in this process. Then a whole day is written
into a history, and read as the page does. Exits 1 if the server takes 10 % of a core or more, or
the day 20 MB or more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from device.dashboard.history import History
from device.messages import Summary, TrackState
from device.messages.attention import AttentionState, GroupAttention
from device.valence import Valence
from tests.support.broker import Listener, Mosquitto

DEVICE = Path(sys.executable).with_name("device")
ROOT = "emotion/benchmark"
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TICKS_S = 1 / os.sysconf("SC_CLK_TCK")
MAX_CPU, MAX_DAY_BYTES, DAY_S = 0.10, 20_000_000, 86400
LIVE = ("streamed", "polled", "no page")


class Board:
    """Publishes the states of many faces on a thread of its own."""

    def __init__(self, port: int, faces: int, rate: float) -> None:
        self._port, self._faces, self._rate = port, faces, rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Board:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with Listener(self._port, "none") as client:
            client._client.publish(f"{ROOT}/availability", "online", qos=1, retain=True)
            number, next_s = 0, time.monotonic()
            while not self._stop.wait(max(0.0, next_s - time.monotonic())):
                for face in range(1, self._faces + 1):
                    payload = _state(face, number).to_json()
                    client._client.publish(f"{ROOT}/tracks/{face}/state", payload, qos=1, retain=True)
                if number % round(self._rate) == 0:
                    client._client.publish(f"{ROOT}/summary", _summary(self._faces, number).to_json())
                number, next_s = number + 1, next_s + 1 / self._rate


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"faces": 30, "pages": 10, "rate": 5, "seconds": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = _live(Path(folder), args) | _day(Path(folder))
    result["ok"] = result["streamed"]["cpu"] < MAX_CPU and result["day_bytes"] < MAX_DAY_BYTES
    print(json.dumps(result, indent=2) if args.json else _text(result, args))
    return 0 if result["ok"] else 1


def _live(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    broker = Mosquitto(folder).start()
    options = ["--topic", ROOT, "--listen=127.0.0.1:0", "--set=device.mqtt.host=127.0.0.1"]
    process = subprocess.Popen(
        [str(DEVICE), "dashboard", *options, f"--set=device.mqtt.port={broker.port}"],
        env=os.environ | {"STATE_DIRECTORY": str(folder / "state")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r":([0-9]+)/", process.stdout.readline())
        assert found is not None
        with Board(broker.port, args.faces, args.rate):
            time.sleep(3)  # connected, every face known
            readers = dict(zip(LIVE, (_follow, _poll, None), strict=True))
            return {name: _measure(process.pid, int(found[1]), reader, args) for name, reader in readers.items()}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        broker.kill()


Reader = Callable[[int, threading.Event, list[int]], None]


def _measure(pid: int, port: int, reader: Reader | None, args: argparse.Namespace) -> dict[str, Any]:
    stop, read = threading.Event(), [0, 0]  # documents, bytes
    pages = [threading.Thread(target=reader, args=(port, stop, read)) for _ in range(args.pages if reader else 0)]
    for page in pages:
        page.start()
    time.sleep(1)
    began_s, cpu_s, documents, size = time.monotonic(), _cpu_s(pid), *read
    time.sleep(args.seconds)
    elapsed_s = time.monotonic() - began_s
    result = {
        "cpu": (_cpu_s(pid) - cpu_s) / elapsed_s,
        "documents_per_page_s": (read[0] - documents) / elapsed_s / max(1, len(pages)),
        "document_bytes": (read[1] - size) / max(1, read[0] - documents),
        "memory_mb": _memory_mb(pid),
    }
    stop.set()
    for page in pages:
        page.join()
    return result


def _follow(port: int, stop: threading.Event, read: list[int]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/stream")
    answer = connection.getresponse()
    while not stop.is_set():
        line = answer.readline()
        if line.startswith(b"data: "):
            read[0] += 1
            read[1] += len(line)
    answer.close()
    connection.close()


def _poll(port: int, stop: threading.Event, read: list[int]) -> None:
    connection, etag = HTTPConnection("127.0.0.1", port, timeout=60), ""
    while not stop.wait(0.2):
        connection.request("GET", "/api/state", headers={"If-None-Match": etag})
        answer = connection.getresponse()
        etag, body = answer.getheader("ETag", ""), answer.read()
        read[0] += answer.status == 200
        read[1] += len(body)
    connection.close()


def _day(folder: Path) -> dict[str, Any]:
    """A day of summaries, one a second: size on disk, and seconds to read it."""
    now = [time.time() - DAY_S]
    history = History(folder / "day.db", 24, lambda: now[0])
    for second in range(DAY_S):
        history.add_summary(json.loads(_summary(second % 30, second).to_json()))
        now[0] += 1
        if second % 500 == 0:
            history.labels()  # writes what waits
    history.labels()
    used = sum(path.stat().st_size for path in folder.glob("day.db*"))
    cpu_s = time.process_time()
    _, rows = history.rows(now[0] - DAY_S, now[0], 60)
    rows_s, cpu_s = time.process_time() - cpu_s, time.process_time()
    exported = sum(1 for _ in history.export(now[0] - DAY_S, now[0], 1))
    result = {"day_rows": exported, "day_bytes": used, "day_minutes": len(rows), "read_minutes_cpu_s": rows_s}
    history.close()
    return result | {"export_cpu_s": time.process_time() - cpu_s}


def _state(face: int, number: int) -> TrackState:
    scores = dict.fromkeys(LABELS, (1 + (face + number) % 7) / 100)
    attention = AttentionState(
        yaw_deg=number % 40, pitch_deg=2, roll_deg=1, eye_openness=0.9, mouth_openness=0.1, facing=0.8, perclos=0.05
    )
    return TrackState(
        track=face, ts=time.time(), emotion=LABELS[number % 7], confidence=0.8, scores=scores, box=(face, 10, 80, 80),
        valence=Valence.of(scores), attention=attention,
    )  # fmt: skip


def _summary(faces: int, number: int) -> Summary:
    scores = dict.fromkeys(LABELS, (1 + number % 7) / 100)
    attention = GroupAttention(measured=faces, facing=number % 97 / 97, eye_openness=0.8, looking_away=0.1)
    counts = dict.fromkeys(LABELS, 0) | {"neutral": faces, "unknown": 0}
    return Summary(
        ts=time.time(), faces=faces, counts=counts, mean_scores=scores, valence=Valence.of(scores), attention=attention
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICKS_S


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+([0-9]+) kB", status)
    return int(found[1]) / 1000 if found else 0.0


def _text(result: dict[str, Any], args: argparse.Namespace) -> str:
    lines = [f"{args.faces} faces, {args.rate} updates a second, {args.pages} pages, {args.seconds} s each"]
    for name in LIVE:
        live = result[name]
        lines.append(
            f"{name:9} {live['cpu']:6.1%} of a core, {live['documents_per_page_s']:.1f} documents a second of "
            f"{live['document_bytes']:,.0f} bytes for each page, {live['memory_mb']:.0f} MB"
        )
    lines.append(
        f"a day: {result['day_rows']} rows, {result['day_bytes']:,} bytes; as {result['day_minutes']} minutes in "
        f"{result['read_minutes_cpu_s']:.2f} s, as CSV in {result['export_cpu_s']:.2f} s of CPU"
    )
    return "\n".join([*lines, "good" if result["ok"] else "too much"])


if __name__ == "__main__":
    sys.exit(main())
