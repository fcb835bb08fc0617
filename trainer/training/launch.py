"""Starts a training run, and before a student's run, its teacher's where there is none."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.artifacts.answers_file import Answers, read_answers
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.loading import load_network, load_teacher
from trainer.artifacts.run_dir import CONFIG, RunFolder, new_run, newest_run, open_run, runs_of
from trainer.config import TrainConfig, load_config
from trainer.data.augment import Random
from trainer.data.dataset import Dataset
from trainer.errors import CheckpointError
from trainer.training.answered_views import require_first_view, require_fit
from trainer.training.distributed import ProcessGroup, join_group
from trainer.training.learner import Task, build_views, pick_device, training_faces
from trainer.training.loop import fit


def train(kind: str, config: TrainConfig, dataset: Dataset, folder: RunFolder | None, args: argparse.Namespace) -> None:
    """Train one network as configured, and print the result.

    Under torchrun every process calls this, and the first one creates the folder.

    Args:
        kind: "teacher" or "student".
        config: of the run.
        dataset: to train on.
        folder: of the run to resume; None creates a new one.
        args: of the command line: run, resume, minutes and json.
    """
    group = join_group(config.accelerator)
    fit_config = config.teacher.fit if kind == "teacher" else config.student.fit
    named = config.teacher.teachers if kind == "teacher" else config.distill.teachers
    teachers = tuple(load_teacher(Path(path), dataset, pick_device(config, group)) for path in named)
    answers = _load_answers(config, dataset, group) if kind == "student" else None
    start = load_network(Path(fit_config.start), dataset) if fit_config.start and folder is None else None
    if folder is None:
        folder = RunFolder(group.first(lambda: new_run(config, kind, args.run).path))
    fit(Task(kind, config, dataset, teachers, start, answers=answers), folder, args.resume, args.minutes, group)
    if group.leads:
        print_result(folder, args.json)


def _load_answers(config: TrainConfig, dataset: Dataset, group: ProcessGroup) -> Answers | None:
    """The answers that the settings name, and what they are on stderr; None where they name none.

    Raises:
        CheckpointError: they cannot be read, or do not fit the run.
    """
    if not config.distill.answers:
        return None
    answers = read_answers([Path(path) for path in config.distill.answers])
    task = Task("student", config, dataset)
    training = training_faces(task)
    require_fit(answers, training, config, task.fit)
    require_first_view(answers, build_views(task, training, Random(pick_device(config, group))))
    if group.leads:
        for sentence in answers.missing:
            print(f"trainer: {sentence}", file=sys.stderr)
        print(
            f"trainer: views in use: {len(answers.views)}, answered by {answers.header.teacher_names}", file=sys.stderr
        )
    return answers


def newest_teacher(config: TrainConfig, dataset: Dataset, minutes: float | None = None) -> RunFolder:
    """The newest finished teacher of this data set.

    Where there is none, a run that was stopped is resumed, or a new teacher is trained; it is not
    finished if it takes longer than `minutes`.
    """
    runs, group = Path(config.runs), join_group(config.accelerator)
    for finished in runs_of(runs, "teacher"):
        if load_checkpoint(finished.best).data_digest == dataset.digest:
            return finished
    for cut_off in runs_of(runs, "teacher", finished=False):
        if not cut_off.last.is_file() or load_checkpoint(cut_off.last).data_digest != dataset.digest:
            continue
        print(f"trainer: resuming the teacher in {cut_off.path}, with its own settings", file=sys.stderr)
        own = load_config(cut_off.path / CONFIG)
        fit(Task("teacher", own, dataset), cut_off, resume=True, minutes=minutes, group=group)
        return cut_off
    run = RunFolder(group.first(lambda: new_run(config, "teacher").path))
    print(f"trainer: no teacher of this data under {runs}; training one in {run.path}", file=sys.stderr)
    fit(Task("teacher", config, dataset), run, minutes=minutes, group=group)
    return run


def print_result(run: RunFolder, as_json: bool) -> None:
    """Print a run's folder and its result."""
    summary = run.summary()
    if as_json:
        print(json.dumps({"run": str(run.path), "finished": run.finished} | summary))
    elif not run.finished:
        print(f"{run.path}: {len(run.metrics())} epochs done; resume with --resume")
    else:
        took = f"{summary['epochs']} epochs, {summary['seconds']:.0f} s"
        print(f"{run.path}: {summary['accuracy']:.4f} on PublicTest after {took}")


def begin(kind: str, args: argparse.Namespace, config: TrainConfig) -> tuple[RunFolder | None, TrainConfig]:
    """The run to resume and the config.

    With --resume, the config is the one the run was started with. Without, there is no run yet, and
    the config is that of the command line; so too if a student's run was stopped before it began.

    Raises:
        CheckpointError: there is no run to resume.
    """
    config = _with_options(kind, args, config)
    if not args.resume:
        return None, config
    run = open_run(args.run) if args.run else newest_run(Path(config.runs), kind, finished=False)
    if run is None and kind == "student" and newest_run(Path(config.runs), "teacher", finished=False) is not None:
        return None, config  # it was stopped in its teacher's training; `newest_teacher` continues that
    if run is None:
        raise CheckpointError(f"{config.runs}: there is no stopped {kind} run here; start a new one without --resume.")
    started_with = load_config(run.path / CONFIG)
    return run, replace(started_with, data=config.data or started_with.data)


def _with_options(kind: str, args: argparse.Namespace, config: TrainConfig) -> TrainConfig:
    """The config with the options of the command line in place of its own settings."""
    if args.epochs is not None:  # also for a teacher that distill trains first
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
