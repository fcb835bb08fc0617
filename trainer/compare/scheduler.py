"""The remaining rows, trained and evaluated: one by one, or several at once in processes."""

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

from trainer.compare.experiment_run import Workspace, current_result, train
from trainer.compare.predictions import save_predictions
from trainer.compare.result import ExperimentResult
from trainer.compare.studies import Experiment
from trainer.errors import RunError
from trainer.training.distributed import ALONE, ProcessGroup

TIME_OVER = "the time is over; run the same command again to continue"


@dataclass(frozen=True)
class Work:
    """The work that a row still needs.

    Attributes:
        place: of the row in the table.
        row: the row.
        workspace: where.
        evaluate: score, convert and time it after training; else only train it and save its
            predictions.
        cost: of its training, in multiply-accumulates; the cheapest rows come first.
    """

    place: int
    row: Experiment
    workspace: Workspace
    evaluate: bool
    cost: float


def one_by_one(works: Sequence[Work], deadline: float, group: ProcessGroup) -> Iterator[tuple[int, ExperimentResult]]:
    """Do the works; yields the place of each row and its result.

    At least one epoch is trained even past the deadline, so that many short calls finish, too.

    Args:
        works: in this order.
        deadline: no epoch starts after it, by `time.monotonic`.
        group: the processes that train a row together.
    """
    for number, work in enumerate(works):
        if number and group.first(lambda: time.monotonic() >= deadline):
            report_progress(TIME_OVER, group)
            return
        report_progress(f"{number + 1} of {len(works)}: {work.row.key}", group)
        yield work.place, run_work(work, deadline, group)


def side_by_side(works: Sequence[Work], deadline: float, jobs: int) -> Iterator[tuple[int, ExperimentResult]]:
    """The same, so many at a time, each on its share of the cores; in the order in which they end.

    Raises:
        EmotionEdgeError: a row could not be done; the others are done first.
    """
    share = max(1, len(os.sched_getaffinity(0)) // jobs)
    report_progress(f"{len(works)} rows, {jobs} at a time", ALONE)
    with _workers(jobs) as pool:
        futures = {
            pool.submit(_done_in_time, _with_threads(work, share), deadline, number < jobs): work.place
            for number, work in enumerate(works)
        }
        failed: list[Future[ExperimentResult]] = []
        for future in as_completed(futures):
            if future.exception() is None:
                yield futures[future], future.result()
            else:
                failed.append(future)
    if failed:
        _raise(failed[0])
    if time.monotonic() >= deadline:
        report_progress(TIME_OVER, ALONE)


def _raise(failed: Future[ExperimentResult]) -> None:
    try:
        failed.result()
    except BrokenProcessPool as error:
        raise RunError("a process of --jobs was killed, perhaps for want of memory; give fewer of them.") from error


@contextmanager
def _workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one; they ignore Ctrl-C, and this one stops them."""
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
    """The work with a number of threads, unless the settings have one."""
    machine = work.workspace.machine
    if machine.threads is not None:
        return work
    return replace(work, workspace=replace(work.workspace, machine=replace(machine, threads=threads)))


def _done_in_time(work: Work, deadline: float, whatever_the_time: bool) -> ExperimentResult:
    """The work, unless it is past the deadline. Linux has one monotonic clock for all processes."""
    if not whatever_the_time and time.monotonic() >= deadline:
        return current_result(work.row, work.workspace)
    return run_work(work, deadline)


def run_work(work: Work, deadline: float, group: ProcessGroup = ALONE) -> ExperimentResult:
    """Train a row until the deadline at most, and evaluate it once it is trained; its result."""
    row, workspace = work.row, work.workspace
    if row.model is None:
        minutes = (deadline - time.monotonic()) / 60
        finished = train(row, workspace, None if math.isinf(minutes) else minutes, group)
        if finished and not work.evaluate:
            group.first(lambda: save_predictions(workspace.folder_of(row), workspace.data, workspace.machine))
        if not (finished and work.evaluate):
            return group.first(lambda: current_result(row, workspace))
    from trainer.compare import evaluation  # needs LiteRT and matplotlib; training does not

    evaluate = evaluation.evaluate if row.model is None else evaluation.evaluate_file
    return group.first(lambda: evaluate(row, workspace))


def report_progress(text: str, group: ProcessGroup) -> None:
    """Print a line of progress on stderr."""
    if group.leads:
        print(text, file=sys.stderr, flush=True)
