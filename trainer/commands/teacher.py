"""`trainer teacher`: train a teacher, in a run folder of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.config import TrainConfig
from trainer.data.fer2013 import load_dataset

EPILOG = """examples:
  trainer teacher --data fer2013.csv
  trainer teacher --data fer2013/ --set trainer.teacher.width=0.5 --set trainer.teacher.fit.epochs=30
  trainer teacher --resume                      continue the newest run that was cut off"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer teacher`; `trainer distill` has them too."""
    parser.epilog = parser.epilog or EPILOG
    parser.add_argument("--run", type=Path, metavar="DIR", help="run folder to make, or with --resume to continue")
    parser.add_argument("--resume", action="store_true", help="continue after the last finished epoch")
    parser.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="epochs, instead of the config's; for a teacher that is trained first, too",
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M",
        help="stop after the epoch in which M minutes end, for `distill` including a teacher that is trained "
        "first (exit code 0); --resume continues",
    )  # fmt: skip
    parser.add_argument(
        "--teacher", action="append", metavar="NET", default=[], dest="teachers",
        help="run folder, checkpoint or .tflite as teacher; may be repeated",
    )  # fmt: skip
    parser.add_argument("--start", metavar="NET", help="run folder, checkpoint or .tflite with the initial weights")
    parser.add_argument("--json", action="store_true", help="print the run's summary as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Train a teacher; prints its run folder."""
    from trainer.training.launch import begin, train

    folder, config = begin("teacher", args, config)
    train("teacher", config, load_dataset(config.data, config.labels), folder, args)
    return 0
