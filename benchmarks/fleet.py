"""A thousand boards on one broker: resources, connections, and the report of `device fleet`.

    python -m benchmarks.fleet [--broker nats] [--boards 1000] [--each 100] [--steady 95] [--json]

Publishers, outboxes and sessions are real, with `--each` boards a process; faces are simulated.
Mosquitto runs deploy/mosquitto/site.conf. All boards connect at once and run for a while. Then one
process is killed, another is frozen, and the broker is killed and started again after ten seconds.
With `--broker nats` three clustered NATS servers with deploy/nats/node.conf follow in the same run;
of these, one is killed. Each board's events are counted. State folders are in memory, so that disks
do not count. Takes about eight minutes a broker, and exits 1 if any expectation fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.fleet_brokers import BROKERS, FleetBroker
from device.config.schema import MqttConfig
from tests.soak.board_process import AvailabilityChange, AvailabilityMonitor, BoardProcess
from tests.soak.boards import MAX_REFUSED, RESTART_S, name
from tests.support.broker import wait_for
from tests.support.site_broker import PASSWORD

DEVICE = Path(sys.executable).with_name("device")
MEMORY = Path("/dev/shm")
DOWN_S = 10.0  # how long the broker is down
SETTLE_S = 35.0  # a health message comes every 30 s
SETTINGS = ["device.mqtt.connect_timeout_s=120"]  # all boards share one CPU
KEEPALIVE_S = MqttConfig().keepalive_s
CHECK_S = 6.0  # Mosquitto checks keepalives every few seconds
WAIT_S = 300.0  # timeout, for a machine too slow for this many boards
EVENTS_S = 60.0  # timeout, for the last events to arrive
TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


class FleetTest:
    """A broker, its boards and an availability monitor; all end with the stack."""

    def __init__(self, folder: Path, stack: ExitStack, broker: str, boards: int, each: int) -> None:
        self.names = [name(number) for number in range(boards)]
        self.failures: list[str] = []  # expectations that failed
        self.refused = 0  # times `device fleet` could not connect
        self._folder = folder
        for file, text in {"password": PASSWORD, "viewer": "viewer", "boards.txt": "\n".join(self.names)}.items():
            (folder / file).write_text(text)
        self._broker: FleetBroker = BROKERS[broker](folder / "broker", self.names, stack)
        self._monitor = stack.enter_context(AvailabilityMonitor(self._broker.viewer_port))
        settings = [*SETTINGS, *self._broker.settings]
        self._processes = [
            stack.enter_context(BoardProcess(first, min(each, boards - first), self._broker.port, folder, settings))
            for first in range(0, boards, each)
        ]
        for process in self._processes:
            process.ready()

    def connect(self) -> dict[str, Any]:
        """Connect all boards at once."""
        started_s, cpu_s = time.monotonic(), self._broker_cpu_s()
        for process in self._processes:
            process.go()
        refused = sum(process.connected()["refused"] for process in self._processes)
        self._monitor.wait_online(self.names, WAIT_S)
        elapsed_s = time.monotonic() - started_s
        return {
            "seconds": elapsed_s,
            "refused": refused,
            "broker_cpu_s": self._broker_cpu_s() - cpu_s,
            "broker_mb": self._broker_mb(),
        }

    def steady(self, seconds: float) -> dict[str, Any]:
        """Run without faults, with `device fleet` beside."""
        time.sleep(SETTLE_S)
        before, started_s, cpu_s = self._messages(), time.monotonic(), self._broker_cpu_s()
        code, document, cost = self._fleet(seconds)
        elapsed_s, used_s = time.monotonic() - started_s, self._broker_cpu_s() - cpu_s
        after = self._messages()
        changes = self._monitor.since(started_s - SETTLE_S)
        self._expect(not changes, f"{len(changes)} boards came online or went offline without a fault")
        self._expect(code == 0 and document["online"] == len(self.names), f"device fleet: {_problems(document)}")
        figures = [process.figures() for process in self._processes]
        rates = {key: (after[key] - before[key]) / elapsed_s for key in before} | self._delivered(lossless=True)
        return {
            "seconds": elapsed_s,
            "flapped": len(changes),
            **rates,
            "broker_cpu_percent": 100 * used_s / elapsed_s,
            "broker_mb": self._broker_mb(),
            "boards_mb_each_process": [figure["memory_mb"] for figure in figures],
            "boards_late_s": max(figure["late_s"] for figure in figures),
            "fleet": cost,
        }

    def kill(self) -> dict[str, Any]:
        """Kill one process of boards: its connections close, and the broker notices at once."""
        killed = self._processes.pop(0)
        started_s = time.monotonic()
        killed.kill()
        found = self._wait_offline(killed, started_s)
        code, document, cost = self._fleet(10)
        unhealthy = {board["board"] for board in document["boards"] if not board["healthy"]}
        self._expect(code == 1 and unhealthy == set(killed.names), f"device fleet: {_problems(document)}")
        return found | {"fleet_unhealthy": len(unhealthy), "fleet": cost}

    def freeze(self) -> dict[str, Any]:
        """Freeze one process: the broker notices by the keepalive only. Then continue it."""
        frozen = self._processes[0]
        started_s = time.monotonic()
        frozen.freeze()
        found = self._wait_offline(frozen, started_s)
        started_s = time.monotonic()
        frozen.thaw()
        self._monitor.wait_online(self._living(), WAIT_S)
        return found | {"back_s": time.monotonic() - started_s}

    def fail(self) -> dict[str, Any]:
        """Kill the broker, or one node of a cluster, and start it again after a while."""
        survives = self._broker.survives
        time.sleep(0 if survives else 65)  # Mosquitto saves retained messages once a minute
        started_s = time.monotonic()
        self._broker.fail()
        time.sleep(1.0 if survives else DOWN_S)
        if not survives:
            started_s = time.monotonic()
            self._broker.recover()
        count = len(self._living())
        wait_for(lambda: self._count_connected() == count, "all boards to be back", WAIT_S)
        elapsed_s = time.monotonic() - started_s
        if survives:
            time.sleep(DOWN_S)
            self._broker.recover()
        code, document, cost = self._fleet(SETTLE_S)
        unhealthy = {board["board"] for board in document["boards"] if not board["healthy"]}
        lost = set(self.names) - set(self._living())
        self._expect(code == 1 and unhealthy == lost, f"device fleet: {_problems(document)}")
        return {
            "seconds": elapsed_s,
            "boards": count,
            "connections_by_second": self._broker.connections_by_second(),
            "fleet_unhealthy": len(unhealthy),
            "fleet": cost,
            **self._delivered(lossless=survives),
        }

    def _delivered(self, lossless: bool) -> dict[str, int]:
        """Wait for the last events; return how many living boards recorded, and how many miss."""
        recorded: dict[str, tuple[int, int]] = {}

        def all_sent() -> bool:
            for process in self._processes:
                recorded.update(process.events())
            return all(self._monitor.has(board, last) for board, (last, _) in recorded.items())

        deadline_s = time.monotonic() + EVENTS_S
        while not all_sent() and time.monotonic() < deadline_s:
            time.sleep(0.5)
        missing = sum(
            max(0, last - waiting - self._monitor.count(board, last)) for board, (last, waiting) in recorded.items()
        )
        waiting = sum(waiting for _, waiting in recorded.values())
        self._expect(not (lossless and missing), f"{missing} events are missing, {waiting} more wait")
        return {"events": sum(last for last, _ in recorded.values()), "missing": missing, "waiting": waiting}

    def _count_connected(self) -> int:
        time.sleep(0.2)
        return sum(int(process.figures()["connected"]) for process in self._processes)

    def _wait_offline(self, process: BoardProcess, started_s: float) -> dict[str, Any]:
        """Wait for the keepalives to expire; check that only these boards went offline."""
        limit_s = 1.5 * KEEPALIVE_S
        time.sleep(limit_s + CHECK_S + 2)
        changes = self._monitor.since(started_s)
        gone = {change.board for change in changes if not change.online}
        self._expect(gone == set(process.names) and len(changes) == len(gone), _difference(changes, process.names))
        after = sorted(change.at_s - started_s for change in changes)
        late = after[-1:] > [limit_s + CHECK_S]
        self._expect(not late, f"the last `offline` came after {after[-1:]} s")
        return {
            "offline": len(gone),
            "others": len(changes) - len(gone),
            "first_s": min(after, default=None),
            "last_s": max(after, default=None),
        }

    def _fleet(self, seconds: float) -> tuple[int, dict[str, Any], dict[str, float]]:
        """Run `device fleet`, again if refused; return exit code, JSON, CPU time and memory."""
        mqtt = {"host": "127.0.0.1", "port": self._broker.viewer_port}
        mqtt |= {"username_file": self._folder / "viewer", "password_file": self._folder / "password"}
        settings = [f"--set=device.mqtt.{key}={value}" for key, value in mqtt.items()]
        inventory = self._folder / "boards.txt"
        command = [str(DEVICE), "fleet", "--json", f"--seconds={seconds}", f"--inventory={inventory}", *settings]
        for refused in range(MAX_REFUSED):
            with (self._folder / "fleet.json").open("w") as out:
                process = subprocess.Popen(command, stdout=out)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            if (self._folder / "fleet.json").stat().st_size or refused == MAX_REFUSED - 1:
                break
            self.refused += 1
            time.sleep(RESTART_S)
        cost = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss * 1024 / 1e6}
        return process.returncode, json.loads((self._folder / "fleet.json").read_text()), cost

    def _living(self) -> list[str]:
        return [board for process in self._processes for board in process.names]

    def _messages(self) -> dict[str, float]:
        """Return the broker's counts; Mosquitto publishes them every ten seconds."""
        if not self._broker.counts:
            return {}
        keys = {"messages_in": "publish/messages/received", "messages_out": "publish/messages/sent"}
        keys |= {"bytes_in": "bytes/received", "bytes_out": "bytes/sent"}
        self._monitor.figures.clear()
        wait_for(lambda: all(key in self._monitor.figures for key in keys.values()), "the broker's figures", 60)
        return {f"{key}_a_second": self._monitor.figures[topic] for key, topic in keys.items()}

    def _broker_cpu_s(self) -> float:
        files = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._broker.pids()]
        return sum(int(fields[11]) + int(fields[12]) for fields in files) * TICKS_S

    def _broker_mb(self) -> float:
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._broker.pids()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _expect(self, ok: bool, message: str) -> None:
        self.failures += [] if ok else [message]


def main() -> int:
    """Run all parts; exit 1 if an expectation fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=1000, help="number of boards (%(default)d)")
    parser.add_argument("--each", type=int, default=100, help="boards a process (%(default)d)")
    parser.add_argument("--steady", type=float, default=95.0, help="seconds without a fault (%(default)g)")
    parser.add_argument("--broker", choices=tuple(BROKERS), default="mosquitto", help="nats: both (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    brokers = ["mosquitto"] if args.broker == "mosquitto" else ["mosquitto", args.broker]
    results = {broker: measure(broker, args.boards, args.each, args.steady) for broker in brokers}
    print(json.dumps(results, indent=2) if args.json else as_text(results, args.boards))
    return 1 if any(each["failures"] for each in results.values()) else 0


def measure(broker: str, boards: int, each: int, steady_s: float) -> dict[str, Any]:
    """Run all parts with one broker."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder, ExitStack() as stack:
        test = FleetTest(Path(folder), stack, broker, boards, each)
        results: dict[str, Any] = {}
        parts = {"connect": test.connect, "steady": lambda: test.steady(steady_s), "kill": test.kill}
        for label, part in (parts | {"freeze": test.freeze, "fail": test.fail}).items():
            print(f"{broker}: {label} ...", file=sys.stderr, flush=True)
            results[label] = _rounded(part())
            print(json.dumps(results[label]), file=sys.stderr, flush=True)
    return results | {"label": BROKERS[broker].label, "fleet_refused": test.refused, "failures": test.failures}


def as_text(results: Mapping[str, Mapping[str, Any]], boards: int) -> str:
    """Return the figures as text, one a line."""
    lines = []
    for parts in results.values():
        lines += [f"{boards} boards, {parts['label']}"]
        for part, figures in parts.items():
            if isinstance(figures, dict):
                lines += [f"{part:8} {key:26} {json.dumps(value)}" for key, value in figures.items()]
        lines += [*(f"FAILED: {each}" for each in parts["failures"]), "" if parts["failures"] else "ok"]
    return "\n".join(lines)


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        value = round(value, 2) if isinstance(value, float) else value
        return [short(item) for item in value] if isinstance(value, list) else value

    return {key: _rounded(value) if isinstance(value, dict) else short(value) for key, value in figures.items()}


def _difference(changes: list[AvailabilityChange], expected: list[str]) -> str:
    others = sorted({change.board for change in changes} - set(expected))
    missing = sorted(set(expected) - {change.board for change in changes if not change.online})
    return f"{len(changes)} changes; of others: {others[:5]}; missing: {missing[:5]}"


def _problems(document: dict[str, Any]) -> str:
    why = Counter(reason for board in document["boards"] for reason in board["reasons"])
    return f"{document['unhealthy']} unhealthy, {document['online']} online: {why.most_common(3)}"


if __name__ == "__main__":
    sys.exit(main())
