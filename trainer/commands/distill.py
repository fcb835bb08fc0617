"""`trainer distill`: train a student by distillation, in a run folder of its own."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from device.errors import UsageError
from trainer.commands.teacher import add_arguments as add_training_arguments
from trainer.config import TrainConfig
from trainer.data.fer2013 import load_dataset

EPILOG = """examples:
  trainer distill --data fer2013.csv            trains a teacher first if there is none
  trainer distill --data toy --epochs 5         the same on synthetic faces, no download
  trainer distill --teacher runs/teacher-1 --teacher runs/teacher-2
  trainer distill --answers runs/answers        from what teachers said, without any teacher; see `trainer answers`
  trainer distill --start emotion.tflite --data my-faces/
                                                start from a finished model, here on your own faces
  trainer distill --resume                      continue the newest run that was cut off"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer distill`."""
    parser.epilog = EPILOG
    add_training_arguments(parser)
    parser.add_argument(
        "--answers", action="extend", nargs="+", metavar="DIR", default=[],
        help="files or folders of `trainer answers` to learn from, instead of teachers",
    )  # fmt: skip


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Train a student, and a teacher first where there is none; prints the student's run folder.

    If the minutes end in the teacher's training, it prints the teacher's.
    """
    from trainer.training.distributed import join_group
    from trainer.training.launch import begin, newest_teacher, print_result, train

    folder, config = begin("student", args, config)
    if args.answers:  # also of a run that is resumed: on another machine they lie elsewhere
        config = replace(config, distill=replace(config.distill, answers=tuple(args.answers)))
    if config.distill.answers and config.distill.teachers:
        raise UsageError("--answers: the answers stand for their teachers; leave --teacher and distill.teachers out.")
    dataset = load_dataset(config.data, config.labels)
    if not config.distill.teachers and not config.distill.answers:
        began, group = time.monotonic(), join_group(config.accelerator)
        teacher = newest_teacher(config, dataset, args.minutes)
        if not group.first(lambda: teacher.finished):
            if group.leads:
                print_result(teacher, args.json)
            return 0
        config = replace(config, distill=replace(config.distill, teachers=(str(teacher.path),)))
        if args.minutes is not None:  # what the teacher left of them
            args.minutes -= (time.monotonic() - began) / 60
    train("student", config, dataset, folder, args)
    return 0
