"""`trainer distill`: teach a student from its teachers, in a run folder of its own."""

from __future__ import annotations

import argparse
from dataclasses import replace

from trainer.commands.teacher import add_arguments as add_training_arguments
from trainer.config import TrainConfig
from trainer.data.fer2013 import load_dataset
from trainer.training.launch import begin, newest_teacher, train

EPILOG = """examples:
  trainer distill --data fer2013.csv            teaches a teacher first if there is none
  trainer distill --data toy --epochs 5         the same on drawn faces, no download
  trainer distill --teacher runs/teacher-1 --teacher runs/teacher-2
  trainer distill --start emotion.tflite --data my-faces/
                                                go on from a finished model, here with faces of one's own
  trainer distill --resume                      go on with the newest run that was cut off"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer distill`."""
    parser.epilog = EPILOG
    add_training_arguments(parser)


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Teach a student, teaching a teacher first where there is none; prints the student's run folder."""
    folder, config = begin("student", args, config)
    dataset = load_dataset(config.data)
    if not config.distill.teachers:
        newest = str(newest_teacher(config, dataset).path)
        config = replace(config, distill=replace(config.distill, teachers=(newest,)))
    train("student", config, dataset, folder, args)
    return 0
