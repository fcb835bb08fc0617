"""Starts the training that was asked for: a teacher, or whichever is needed first."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.loading import load_network, load_teacher
from trainer.artifacts.run_dir import CONFIG, RunFolder, new_run, newest_run, open_run
from trainer.config import TrainConfig, load_config
from trainer.data.dataset import Dataset
from trainer.errors import CheckpointError
from trainer.training.distributed import join_group
from trainer.training.learner import Task, pick_device
from trainer.training.loop import fit


def train(kind: str, config: TrainConfig, dataset: Dataset, folder: RunFolder | None, args: argparse.Namespace) -> None:
    """Teach one network as the config says, in a new run folder or in one that was cut off, and say how it went.

    Under torchrun every process comes here, and the first makes the folder.
    """
    group = join_group(config.accelerator)
    fit_config = config.teacher.fit if kind == "teacher" else config.student.fit
    named = config.teacher.teachers if kind == "teacher" else config.distill.teachers
    teachers = tuple(load_teacher(Path(path), dataset, pick_device(config, group)) for path in named)
    start = load_network(Path(fit_config.start), dataset) if fit_config.start and not args.resume else None
    if folder is None:
        folder = RunFolder(group.first(lambda: new_run(config, kind, args.run).path))
    fit(Task(kind, config, dataset, teachers, start), folder, args.resume, args.minutes, group)
    if group.leads:
        say(folder, args.json)


def newest_teacher(config: TrainConfig, dataset: Dataset) -> RunFolder:
    """The newest teacher of this data set; where there is none, one is taught, or one that was cut off is finished."""
    runs, group = Path(config.runs), join_group(config.accelerator)
    finished = newest_run(runs, "teacher")
    if finished is not None and load_checkpoint(finished.best).data_digest == dataset.digest:
        return finished
    cut_off = newest_run(runs, "teacher", finished=False)
    if cut_off is not None and cut_off.last.is_file() and load_checkpoint(cut_off.last).data_digest == dataset.digest:
        print(f"trainer: going on with the teacher in {cut_off.path}", file=sys.stderr)
        fit(Task("teacher", load_config(cut_off.path / CONFIG), dataset), cut_off, resume=True, group=group)
        return cut_off
    run = RunFolder(group.first(lambda: new_run(config, "teacher").path))
    print(f"trainer: no teacher of this data under {runs}; teaching one in {run.path}", file=sys.stderr)
    fit(Task("teacher", config, dataset), run, group=group)
    return run


def say(run: RunFolder, as_json: bool) -> None:
    """Print a finished run's folder and how it went."""
    summary = run.summary()
    if as_json:
        print(json.dumps({"run": str(run.path), "finished": run.finished} | summary))
    elif not run.finished:
        print(f"{run.path}: {len(run.metrics())} epochs done; go on with --resume")
    else:
        took = f"{summary['epochs']} epochs, {summary['seconds']:.0f} s"
        print(f"{run.path}: {summary['accuracy']:.4f} on PublicTest after {took}")


def begin(kind: str, args: argparse.Namespace, config: TrainConfig) -> tuple[RunFolder | None, TrainConfig]:
    """With --resume the run to go on with and the config it was begun with; else no run yet, and the config as asked.

    Raises:
        CheckpointError: there is nothing to go on with.
    """
    config = _as_asked(kind, args, config)
    if not args.resume:
        return None, config
    run = open_run(args.run) if args.run else newest_run(Path(config.runs), kind, finished=False)
    if run is None:
        raise CheckpointError(
            f"{config.runs}: there is no {kind} run here that was cut off; start one without --resume."
        )
    begun = load_config(run.path / CONFIG)
    return run, replace(begun, data=config.data or begun.data)


def _as_asked(kind: str, args: argparse.Namespace, config: TrainConfig) -> TrainConfig:
    """The config with what the command line says in place of its own."""
    if args.epochs is not None:  # also those of a teacher that distill teaches first
        config = _with_fit(_with_fit(config, "teacher", epochs=args.epochs), "student", epochs=args.epochs)
    if args.start is not None:
        config = _with_fit(config, kind, start=args.start)
    if args.teachers and kind == "teacher":
        config = replace(config, teacher=replace(config.teacher, teachers=tuple(args.teachers)))
    elif args.teachers:
        config = replace(config, distill=replace(config.distill, teachers=tuple(args.teachers)))
    return config


def _with_fit(config: TrainConfig, kind: str, **changes: Any) -> TrainConfig:
    part: Any = getattr(config, kind)
    return replace(config, **{kind: replace(part, fit=replace(part.fit, **changes))})
