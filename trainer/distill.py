"""`trainer distill`: teach a student from its teachers, in a run folder of its own."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from trainer import teacher
from trainer.config import TrainConfig
from trainer.dataset import load_dataset
from trainer.runs import new_run
from trainer.train import Task, fit

EPILOG = """examples:
  trainer distill --data fer2013.csv            teaches a teacher first if there is none
  trainer distill --data toy --epochs 5         the same on drawn faces, no download
  trainer distill --teacher runs/teacher-1 --teacher runs/teacher-2
  trainer distill --resume                      go on with the newest run that was cut off"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer distill`."""
    parser.epilog = EPILOG
    teacher.add_arguments(parser)
    parser.add_argument(
        "--teacher", type=Path, action="append", metavar="RUN", default=[],
        help="run folder or checkpoint of a teacher; may be given again; the newest finished teacher otherwise",
    )  # fmt: skip


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Teach a student, teaching a teacher first where there is none; prints the student's run folder."""
    folder, config = teacher.begin("student", args, config)
    dataset = load_dataset(config.data)
    named = args.teacher or [Path(t) for t in config.distill.teachers]
    paths = named or [teacher.newest_teacher(config, dataset).path]
    teachers = [teacher.load_teacher(path) for path in paths]
    names = tuple(f"{t.config.teacher.family} {t.metrics['accuracy']:.4f} PublicTest" for t in teachers)
    config = replace(config, distill=replace(config.distill, teachers=tuple(str(path) for path in paths)))
    folder = folder or new_run(config, "student", args.run)
    fit(Task("student", config, dataset, tuple(t.model for t in teachers), names), folder, args.resume)
    teacher.say(folder, args.json)
    return 0
