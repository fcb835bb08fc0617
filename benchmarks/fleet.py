"""Measures a thousand boards on one Mosquitto: their cost, connections and the fleet report.

    python -m benchmarks.fleet [--boards 1000] [--each 100] [--steady 95] [--json]

The boards use real publishers, outboxes and sessions, `--each` boards in a process, and a script
instead of the camera. The broker runs deploy/mosquitto/site.conf. All boards connect at once and
run for a while. Then one process is killed, another one is stopped and continued, and the broker is
killed and started again after ten seconds. State folders are in memory, because disks are not
measured. Takes about eight minutes; exits with 1 if any expectation fails.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from device.config.schema import MqttConfig
from tests.soak.boards import name
from tests.soak.holders import Holder, Watch, Word
from tests.support.broker import wait_for
from tests.support.site_broker import PASSWORD, SiteBroker

DEVICE = Path(sys.executable).with_name("device")
MEMORY = Path("/dev/shm")
DOWN_S = 10.0  # the broker stays away for so long
SETTLE_S = 35.0  # health comes every 30 s
PATIENT = ["device.mqtt.connect_timeout_s=120"]  # all these boards have one processor between them
KEEPALIVE_S = MqttConfig().keepalive_s
LOOKS_S = 6.0  # Mosquitto looks for silent clients every few seconds, not all the time
PATIENCE_S = 300.0  # on a machine too slow for this many boards it would never end
TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


class Trial:
    """A broker, its boards, one who watches, and the figures; everything ends with the stack."""

    def __init__(self, folder: Path, stack: ExitStack, boards: int, each: int) -> None:
        self.names = [name(number) for number in range(boards)]
        self.wrong: list[str] = []  # expectations that failed
        self._folder = folder
        for file, text in {"password": PASSWORD, "viewer": "viewer", "boards.txt": "\n".join(self.names)}.items():
            (folder / file).write_text(text)
        self._broker = SiteBroker(folder / "broker", ["site.conf"], [*self.names, "viewer"])
        self._broker.start()
        stack.callback(lambda: self._broker.kill())
        self._watch = stack.enter_context(Watch(self._broker.port))
        self._holders = [
            stack.enter_context(Holder(first, min(each, boards - first), self._broker.port, folder, PATIENT))
            for first in range(0, boards, each)
        ]
        for holder in self._holders:
            holder.ready()

    def storm(self) -> dict[str, Any]:
        """All connect at once."""
        began_s, cpu_s = time.monotonic(), self._broker_cpu_s()
        for holder in self._holders:
            holder.go()
        for holder in self._holders:
            holder.connected()
        self._watch.wait_online(self.names, PATIENCE_S)
        took_s = time.monotonic() - began_s
        return {"seconds": took_s, "broker_cpu_s": self._broker_cpu_s() - cpu_s, "broker_mb": self._broker_mb()}

    def steady(self, seconds: float) -> dict[str, Any]:
        """Nothing happens but faces that come and go; `device fleet` looks on."""
        time.sleep(SETTLE_S)
        before, began_s, cpu_s = self._messages(), time.monotonic(), self._broker_cpu_s()
        code, document, cost = self._fleet(seconds)
        took_s, used_s = time.monotonic() - began_s, self._broker_cpu_s() - cpu_s
        after = self._messages()
        flapped = self._watch.since(began_s - SETTLE_S)
        self._expect(not flapped, f"{len(flapped)} boards came or went while nothing happened")
        self._expect(code == 0 and document["online"] == len(self.names), f"device fleet: {_bad(document)}")
        figures = [holder.figures() for holder in self._holders]
        rates = {key: (after[key] - before[key]) / took_s for key in before}
        return {
            "seconds": took_s,
            "flapped": len(flapped),
            **rates,
            "broker_cpu_percent": 100 * used_s / took_s,
            "broker_mb": self._broker_mb(),
            "boards_mb_each_process": [figure["memory_mb"] for figure in figures],
            "boards_late_s": max(figure["late_s"] for figure in figures),
            "fleet": cost,
        }

    def kill(self) -> dict[str, Any]:
        """One process of boards ends at once: their connections break, and the broker sees it."""
        victim = self._holders.pop(0)
        began_s = time.monotonic()
        victim.kill()
        found = self._gone(victim, began_s)
        code, document, cost = self._fleet(10)
        unhealthy = {board["board"] for board in document["boards"] if not board["healthy"]}
        self._expect(code == 1 and unhealthy == set(victim.names), f"device fleet: {_bad(document)}")
        return found | {"fleet_unhealthy": len(unhealthy), "fleet": cost}

    def freeze(self) -> dict[str, Any]:
        """Stop one process, which the broker notices only by the keepalive; then continue it."""
        victim = self._holders[0]
        began_s = time.monotonic()
        victim.freeze()
        found = self._gone(victim, began_s)
        began_s = time.monotonic()
        victim.thaw()
        self._watch.wait_online(self._living(), PATIENCE_S)
        return found | {"back_s": time.monotonic() - began_s}

    def restart(self) -> dict[str, Any]:
        """The broker is killed, and is back after a while."""
        time.sleep(65)  # it saves what is retained once a minute
        self._broker.kill()
        time.sleep(DOWN_S)
        start_s, began_s = time.time(), time.monotonic()
        self._broker.start()
        clients = {f"emotion-edge-{board}" for board in self._living()}
        wait_for(lambda: clients <= self._connected(start_s).keys(), "all boards to be back", PATIENCE_S)
        took_s = time.monotonic() - began_s
        waits = Counter(when - int(start_s) for client, when in self._connected(start_s).items() if client in clients)
        code, document, cost = self._fleet(SETTLE_S)
        unhealthy = {board["board"] for board in document["boards"] if not board["healthy"]}
        living = set(self._living())
        self._expect(code == 1 and unhealthy == set(self.names) - living, f"device fleet: {_bad(document)}")
        return {
            "seconds": took_s,
            "boards": len(clients),
            "connections_by_second": dict(sorted(waits.items())),
            "connections": sum(
                client in clients for when, client in self._broker.connections() if when >= int(start_s)
            ),
            "fleet_unhealthy": len(unhealthy),
            "fleet": cost,
        }

    def _gone(self, victim: Holder, began_s: float) -> dict[str, Any]:
        """Wait for 1.5 times the keepalive and a little, and see who went."""
        limit_s = 1.5 * KEEPALIVE_S
        time.sleep(limit_s + LOOKS_S + 2)
        words = self._watch.since(began_s)
        gone = {word.board for word in words if not word.online}
        self._expect(gone == set(victim.names) and len(words) == len(gone), _strange(words, victim.names))
        after = sorted(word.at_s - began_s for word in words)
        late = after[-1:] > [limit_s + LOOKS_S]
        self._expect(not late, f"the last `offline` came after {after[-1:]} s")
        return {
            "offline": len(gone),
            "others": len(words) - len(gone),
            "first_s": min(after, default=None),
            "last_s": max(after, default=None),
        }

    def _fleet(self, seconds: float) -> tuple[int, dict[str, Any], dict[str, float]]:
        """Run the command; its exit code, its document, and what it cost."""
        mqtt = {"host": "127.0.0.1", "port": self._broker.port}
        mqtt |= {"username_file": self._folder / "viewer", "password_file": self._folder / "password"}
        settings = [f"--set=device.mqtt.{key}={value}" for key, value in mqtt.items()]
        inventory = self._folder / "boards.txt"
        command = [str(DEVICE), "fleet", "--json", f"--seconds={seconds}", f"--inventory={inventory}", *settings]
        with (self._folder / "fleet.json").open("w") as out:
            process = subprocess.Popen(command, stdout=out)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        cost = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss * 1024 / 1e6}
        return process.returncode, json.loads((self._folder / "fleet.json").read_text()), cost

    def _living(self) -> list[str]:
        return [board for holder in self._holders for board in holder.names]

    def _connected(self, since_s: float) -> dict[str, int]:
        """Client -> when it connected last, by the broker's log."""
        return {client: when for when, client in self._broker.connections() if when >= int(since_s)}

    def _messages(self) -> dict[str, float]:
        """The broker's counts, as fresh as they are: it tells them every ten seconds."""
        keys = {"messages_in": "publish/messages/received", "messages_out": "publish/messages/sent"}
        keys |= {"bytes_in": "bytes/received", "bytes_out": "bytes/sent"}
        self._watch.figures.clear()
        wait_for(lambda: all(key in self._watch.figures for key in keys.values()), "the broker's figures", 60)
        return {f"{key}_a_second": self._watch.figures[topic] for key, topic in keys.items()}

    def _broker_cpu_s(self) -> float:
        fields = Path(f"/proc/{self._broker.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICKS_S

    def _broker_mb(self) -> float:
        pages = int(Path(f"/proc/{self._broker.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _expect(self, fine: bool, otherwise: str) -> None:
        if not fine:
            self.wrong.append(otherwise)


def main() -> int:
    """Try it; exit 1 where an expectation fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=1000, help="how many (%(default)d)")
    parser.add_argument("--each", type=int, default=100, help="boards a process; one is killed (%(default)d)")
    parser.add_argument("--steady", type=float, default=95.0, help="seconds of nothing special (%(default)g)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder, ExitStack() as stack:
        trial = Trial(Path(folder), stack, args.boards, args.each)
        results: dict[str, Any] = {}
        for part in (trial.storm, lambda: trial.steady(args.steady), trial.kill, trial.freeze, trial.restart):
            label = ("storm", "steady", "kill", "freeze", "restart")[len(results)]
            print(f"{label} ...", file=sys.stderr, flush=True)
            results[label] = _rounded(part())
    results["wrong"] = trial.wrong
    print(json.dumps(results, indent=2) if args.json else as_text(results, args.boards))
    return 1 if trial.wrong else 0


def as_text(results: dict[str, Any], boards: int) -> str:
    """Figure by figure."""
    lines = [f"{boards} boards, one Mosquitto"]
    for part, figures in results.items():
        if isinstance(figures, dict):
            lines += [f"{part:8} {key:26} {json.dumps(value)}" for key, value in figures.items()]
    return "\n".join(
        [*lines, *(f"WRONG: {each}" for each in results["wrong"]), "" if results["wrong"] else "all is well"]
    )


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 2)
        return [short(item) for item in value] if isinstance(value, list) else value

    return {key: _rounded(value) if isinstance(value, dict) else short(value) for key, value in figures.items()}


def _strange(words: list[Word], expected: list[str]) -> str:
    others = sorted({word.board for word in words} - set(expected))
    missing = sorted(set(expected) - {word.board for word in words if not word.online})
    return f"{len(words)} words; of others: {others[:5]}; missing: {missing[:5]}"


def _bad(document: dict[str, Any]) -> str:
    why = Counter(reason for board in document["boards"] for reason in board["reasons"])
    return f"{document['unhealthy']} unhealthy, {document['online']} online: {why.most_common(3)}"


if __name__ == "__main__":
    sys.exit(main())
