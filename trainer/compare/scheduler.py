"""The rows that are left, taught and judged: one after another, or several at once in processes of their own."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from trainer.compare.experiment_run import Workspace, standing, train
from trainer.compare.predictions import keep_reading
from trainer.compare.studies import Experiment
from trainer.errors import RunError
from trainer.training.distributed import ALONE, ProcessGroup

OVER = "the time is over, go on with the same command"
Result = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What is left of a row.

    Attributes:
        place: of the row in the table.
        row: which.
        bench: where.
        judge: score, convert and time it once it is taught; else it is only taught, and its reading is kept.
        cost: of teaching it, in multiply-accumulates; the cheapest are done first.
    """

    place: int
    row: Experiment
    bench: Workspace
    judge: bool
    cost: float


def one_by_one(works: Sequence[Work], deadline: float, group: ProcessGroup) -> Iterator[tuple[int, Result]]:
    """Do the works; yields the place of each and how it stands then.

    However near the deadline is, at least one epoch is taught, so that many short calls come to an end, too.

    Args:
        works: what is to be done, in this order.
        deadline: no epoch begins after it, by `time.monotonic`.
        group: the processes that teach together.
    """
    for number, work in enumerate(works):
        if number and group.first(lambda: time.monotonic() >= deadline):
            tell(OVER, group)
            return
        tell(f"{number + 1} of {len(works)}: {work.row.key}", group)
        yield work.place, done(work, deadline, group)


def side_by_side(works: Sequence[Work], deadline: float, jobs: int) -> Iterator[tuple[int, Result]]:
    """The same, so many at a time, each on its share of the cores; in the order in which they end.

    Raises:
        EmotionEdgeError: a row could not be done; the others are done first.
    """
    share = max(1, len(os.sched_getaffinity(0)) // jobs)
    tell(f"{len(works)} rows, {jobs} at a time", ALONE)
    with _workers(jobs) as pool:
        futures = {
            pool.submit(_done_in_time, _with_threads(work, share), deadline, number < jobs): work.place
            for number, work in enumerate(works)
        }
        failed: list[Future[Result]] = []
        for future in as_completed(futures):
            if future.exception() is None:
                yield futures[future], future.result()
            else:
                failed.append(future)
    if failed:
        _raise(failed[0])
    if time.monotonic() >= deadline:
        tell(OVER, ALONE)


def _raise(failed: Future[Result]) -> None:
    try:
        failed.result()
    except BrokenProcessPool as error:
        raise RunError("a process of --jobs was killed, perhaps for want of memory; give fewer of them.") from error


@contextmanager
def _workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with us, whatever ends us: by Ctrl-C, which reaches them too, only we are told."""
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads, and a GPU it cannot use
    pool = ProcessPoolExecutor(jobs, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown()


def _with_threads(work: Work, threads: int) -> Work:
    """The work on so many threads, unless the settings name a number."""
    machine = work.bench.machine
    if machine.threads is not None:
        return work
    return replace(work, bench=replace(work.bench, machine=replace(machine, threads=threads)))


def _done_in_time(work: Work, deadline: float, whatever_the_time: bool) -> Result:
    """The work, unless its turn comes too late. Linux has one monotonic clock for all processes."""
    if not whatever_the_time and time.monotonic() >= deadline:
        return standing(work.row, work.bench)
    return done(work, deadline)


def done(work: Work, deadline: float, group: ProcessGroup = ALONE) -> Result:
    """Teach a row up to the deadline at most, and judge it once it is finished; how it stands then."""
    row, bench = work.row, work.bench
    if row.model is None:
        minutes = (deadline - time.monotonic()) / 60
        finished = train(row, bench, None if math.isinf(minutes) else minutes, group)
        if finished and not work.judge:
            group.first(lambda: keep_reading(bench.of(row), bench.data, bench.machine))
        if not (finished and work.judge):
            return group.first(lambda: standing(row, bench))
    from trainer.compare import result  # which wants LiteRT and matplotlib, where teaching does not

    judge = result.examine if row.model is None else result.examine_model
    return group.first(lambda: judge(row, bench))


def tell(text: str, group: ProcessGroup) -> None:
    """How far it is, on stderr."""
    if group.leads:
        print(text, file=sys.stderr, flush=True)
