"""Everything that a lent accelerator is good for, the most important first, until its time is over.

1. the teachers' remaining epochs, 2. their answers for many views, 3. students of both profiles,
4. the rows of the studies, cheapest first. Several run at a time. What was done is not done again.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from device.errors import EmotionEdgeError, UsageError
from scripts.training.lease_home import describe, pack, unpack
from scripts.training.lease_queue import Item, Plan, queue, ready

EPILOG = """examples:
  scripts/training/lease --list --data D              what is done, and what is left; starts nothing
  scripts/training/lease 30 --data D --home out       30 minutes; what must come home lies in out/
  scripts/training/lease 30 --data D --from out       on another machine: go on with what came home
  scripts/training/lease 0 --from out                 at home: only unpack it into runs/lease
  scripts/training/lease 5 --data toy --epochs 1 --views 2 --seeds 1 --models residual/flat
      --set trainer.teacher.width=0.125               a trial on synthetic faces

Killed or out of time: run the same command again. Each training keeps its checkpoints in RUNS, and its
output in RUNS/logs. Pieces in --home: at most 8 files of at most 16 MiB, 64 MiB in all, without what came
home with an earlier call (--all brings that again). Heavy networks travel with int8 weights."""
REPORT_S = 60.0
PACKING_S = 60.0  # at most; kept for the end
STOPPING = 1 / 3  # of this time, at most, for trainings that do not end at once
PR_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass
class Lease:
    """The items that run, until the time is over.

    Attributes:
        plan: what to do.
        items: all of it, the most important first.
        end: of all trainings, by `time.monotonic`.
        stopping_s: how long a training may take to end, before it is killed.
    """

    plan: Plan
    items: list[Item]
    end: float
    stopping_s: float
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Start what may start, until all is done or the time is over; then stop the rest."""
        reported = time.monotonic()
        try:
            while time.monotonic() < self.end:
                self._collect()
                for item in ready(self.items, self.running, self.failed, self.plan.jobs):
                    self._start(item)
                if not self.running:
                    return
                if time.monotonic() - reported >= REPORT_S:
                    reported = time.monotonic()
                    self.report()
                time.sleep(0.2)
        finally:
            self._stop()

    def report(self) -> None:
        """Print what runs, and how far it is."""
        by_name = {item.name: item for item in self.items}
        left = max(0.0, self.end - time.monotonic()) / 60
        say(f"{left:.1f} minutes left; " + "; ".join(f"{name}: {by_name[name].done()}" for name in self.running))

    def _start(self, item: Item) -> None:
        try:
            item.prepare()
        except EmotionEdgeError as error:
            self.failed.add(item.name)
            say(f"{item.name} failed: {error}")
            return
        minutes = max(0.01, (self.end - time.monotonic()) / 60)
        command = item.command(minutes, self.plan.jobs - len(self.running))
        logs = self.plan.runs / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        threads = max(1, len(os.sched_getaffinity(0)) // self.plan.jobs)
        with (logs / f"{item.name}.log").open("ab") as log:
            self.running[item.name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"OMP_NUM_THREADS": str(threads)} | os.environ,
                preexec_fn=_end_with_parent,
            )
        say(f"started {item.name} ({item.done()})")

    def _collect(self) -> None:
        for name, process in list(self.running.items()):
            if process.poll() is None:
                continue
            del self.running[name]
            item = next(item for item in self.items if item.name == name)
            if process.returncode:
                self.failed.add(name)
                log = self.plan.runs / "logs" / f"{name}.log"
                say(f"{name} failed with code {process.returncode}: {last_line(log)} ({log})")
            else:
                say(f"{name}: {item.done()}{', finished' if item.finished() else ''}")

    def _stop(self) -> None:
        """End what still runs; its last checkpoint stays."""
        for process in self.running.values():
            process.terminate()
        latest = time.monotonic() + self.stopping_s
        for process in self.running.values():
            try:
                process.wait(max(0.1, latest - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()


def _end_with_parent() -> None:
    """Called in the new process: a killed lease leaves no training behind to meet the next one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def process_age_s() -> float:
    """Seconds since this process began: importing PyTorch takes a while."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # field 22, see proc(5)
    return float(Path("/proc/uptime").read_text().split()[0]) - started / os.sysconf("SC_CLK_TCK")


def last_line(log: Path) -> str:
    """The last line of a log, where an error says what happened; empty where there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def say(text: str) -> None:
    """Print a line of progress on stderr."""
    print(f"lease: {text}", file=sys.stderr, flush=True)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        "scripts/training/lease",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("minutes", type=float, nargs="?", metavar="MINUTES", help="of the machine, packing included")
    parser.add_argument("--data", metavar="D", help="as of `trainer`")
    parser.add_argument("--runs", type=Path, default=Path("runs/lease"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--home", type=Path, metavar="DIR", help="folder for what must come home")
    parser.add_argument(
        "--from", type=Path, nargs="+", default=[], metavar="DIR", dest="sources", help="what came home"
    )
    parser.add_argument("--all", action="store_true", help="bring home also what came home before")
    parser.add_argument("--list", action="store_true", help="show the queue, and do nothing else")
    parser.add_argument("--jobs", type=int, default=6, metavar="N", help="trainings at a time (default: %(default)s)")
    parser.add_argument(
        "--views", type=int, default=300, metavar="N", help="that teachers answer (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="students of each profile (default: 3)")
    parser.add_argument(
        "--teacher-seeds", type=int, default=1, metavar="N", help="teachers of each family (default: 1)"
    )
    parser.add_argument("--models", nargs="+", default=[], metavar="M", help="only these study rows")
    parser.add_argument("--epochs", type=int, metavar="N", help="of each training, for a trial")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="as of `trainer`"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Work; returns the exit code: 0, 1 where an item failed, 2 for wrong usage."""
    began = time.monotonic() - process_age_s()
    args = parse(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _work(args, began)
    except EmotionEdgeError as error:
        say(str(error))
        return error.exit_code
    except OSError as error:
        where = error.filename or args.home or args.runs
        say(f"{where}: {error.strerror or error}; mend it, and run the same command again")
        return 1
    except KeyboardInterrupt:
        say("stopped; run the same command again to continue")
        return 1


def _work(args: argparse.Namespace, began: float) -> int:
    if args.minutes is None and not args.list:
        raise UsageError("name the MINUTES that the machine is there, or give --list.")
    if not 0 <= (args.minutes or 0) < math.inf or min(args.jobs, args.views, args.seeds, args.teacher_seeds) < 1:
        raise UsageError(
            "MINUTES must be a number of at least 0; --jobs, --views, --seeds and --teacher-seeds must be at least 1."
        )
    if args.minutes and not args.data:
        raise UsageError("--data: name the data set.")
    if args.minutes and args.data != "toy" and not Path(args.data).exists():
        raise UsageError(f"--data {args.data}: there is no such file or folder.")
    for source in args.sources:
        say(f"{source}: {unpack(source, args.runs)} files unpacked into {args.runs}")
    plan = Plan(
        args.data or "", args.runs, args.teacher_seeds, args.seeds, args.views, args.jobs, args.epochs,
        tuple(args.models), tuple(args.settings),
    )  # fmt: skip
    items = queue(plan)
    if args.list:
        print("\n".join(f"{item.name:24}{'finished' if item.finished() else item.done()}" for item in items))
        return 0
    seconds = 60 * args.minutes
    packing_s = min(PACKING_S, seconds / 5)
    lease = Lease(plan, items, began + seconds - packing_s, STOPPING * packing_s)
    try:
        lease.run()
    finally:
        if args.home is not None:
            say(describe(args.home, pack(args.runs, args.home, args.views, args.all)))
    left = [item.name for item in items if not item.finished()]
    say(f"left: {', '.join(left)}; run the same command again to continue" if left else "all is done")
    return 1 if lease.failed else 0


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
