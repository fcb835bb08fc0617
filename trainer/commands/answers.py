"""`trainer answers`: what teachers say of seeded views, in files that outlive the teachers."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

from device.errors import UsageError
from trainer.artifacts.answers_file import AnswersWriter
from trainer.config import TrainConfig
from trainer.data.fer2013 import load_dataset

VIEWS = 83  # of FER2013's Training fit one file
EPILOG = """Each view is a new augmentation of every Training face (trainer.augment), mixed as trainer.student.fit.mixup
says. The files hold the teachers' answers only, 7 bytes a face and view: 200 kB a view of FER2013, in
files of at most 16 MiB. `trainer distill --answers` draws the same views again, on any machine.

Run the same command again to continue; a larger --views adds to what is there.

examples:
  trainer answers --data D --recipe record --teacher runs/vgg16 --teacher runs/resnet18 --views 300
  trainer answers --data toy --teacher device/models/emotion.tflite --views 5
  trainer distill --data toy --answers runs/answers --epochs 5"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer answers`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--teacher", action="append", metavar="NET", default=[], dest="teachers",
        help="run folder, checkpoint or .tflite as teacher; may be repeated, the mean of all counts",
    )  # fmt: skip
    parser.add_argument(
        "--views", type=int, default=VIEWS, metavar="N", help="views of each face (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the views (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the files (default: RUNS/answers)")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after the view in which M minutes end")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Ask the teachers about the views that are missing; prints the folder of the files."""
    import torch

    from trainer.artifacts.loading import load_teacher
    from trainer.data.augment import Random
    from trainer.training.answered_views import SeededViews, collect_answers, header_for
    from trainer.training.learner import Task, build_views, pick_device, training_faces
    from trainer.training.teachers import Teachers

    deadline = time.monotonic() + 60 * (math.inf if args.minutes is None else args.minutes)
    named = tuple(args.teachers) or config.distill.teachers
    if not named:
        raise UsageError("--teacher: name at least one run folder, checkpoint or .tflite; may be repeated.")
    if args.views < 1 or not 0 <= args.seed < 2**32:
        raise UsageError("--views must be at least 1, and --seed between 0 and 4294967295.")
    if config.threads:
        torch.set_num_threads(config.threads)
    dataset, device = load_dataset(config.data), pick_device(config)
    teachers = tuple(load_teacher(Path(path), dataset, device) for path in named)
    no_votes = replace(config, student=replace(config.student, fit=replace(config.student.fit, votes_weight=0.0)))
    task = Task("student", no_votes, dataset, teachers)
    training = training_faces(task)
    header = header_for(training, config, task.fit, teachers, args.seed)
    writer = AnswersWriter(args.out or Path(config.runs) / "answers", header)
    series = SeededViews(build_views(task, training, Random(device)), args.seed)
    collect_answers(series, Teachers(teachers, config, device).classify, writer, args.views, deadline)
    more = "" if writer.done >= args.views else f" of {args.views}; run the same command again to continue"
    print(f"{writer.folder}: {writer.done} views of {len(training):,} faces{more}")
    return 0
