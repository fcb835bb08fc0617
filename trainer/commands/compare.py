"""`trainer compare`: every network of the studies, trained and evaluated alike, beside our own."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from device.errors import UsageError
from trainer.compare.studies import EXTRA, STUDIES
from trainer.config import TrainConfig
from trainer.data.fer2013 import load_dataset
from trainer.data.splits import PROTOCOLS

if TYPE_CHECKING:
    from trainer.compare.result import ExperimentResult
    from trainer.compare.studies import Experiment

EPILOG = f"""Finished rows are not computed again, and a row that was cut off continues: run the same
command again. Each row has a folder of its own, OUT/<study>/<row>-<split>/, with its figures, its
plots and its .tflite.

splits:
{chr(10).join(f"  {name:10}{text}" for name, text in PROTOCOLS.items())}

examples:
  trainer compare --list                                    the rows, and what each costs
  trainer compare --data toy --epochs 1                     every row end to end, on synthetic faces
  trainer compare --data D --max-mmac 100 --hours 2         what a CPU can do, two hours at a time
  trainer compare --data D --short --minutes 60             a figure for each row on a CPU, an hour a row
  trainer compare --data D --models residual_cnn resnet18   all rows of these networks
  trainer compare --data D --studies transfer --imagenet weights/    resnet18*.pth and so on, as torchvision has them
  trainer compare --data D --studies compact-grid           one of the studies that run only by name:
                                                            {", ".join(EXTRA)}
  trainer compare --data D --train-only --jobs 4 --hours 0.2     on a machine with a GPU and PyTorch alone; copy
                                                            RUNS/compare back, and run there: --no-training
  torchrun --nproc-per-node=4 -m trainer.cli compare --data D"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer compare`."""
    parser.epilog = EPILOG
    parser.add_argument("--models", nargs="+", metavar="M", help="only rows of these names or networks")
    parser.add_argument("--studies", nargs="+", metavar="S", help=f"only these studies ({', '.join(STUDIES)})")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of each study's own number")
    parser.add_argument("--split-protocol", choices=tuple(PROTOCOLS), help="instead of each study's own split")
    parser.add_argument(
        "--max-mmac", type=float, metavar="N", help="train only rows of at most N million multiply-adds"
    )
    _add_mode(parser)
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="rows at a time, each in a process of its own (default: 1)"
    )
    parser.add_argument("--hours", type=float, metavar="H", help="stop after the epoch in which H hours end")
    _add_short(parser)
    parser.add_argument("--imagenet", type=Path, metavar="DIR", help="torchvision's weights, for transfer learning")
    parser.add_argument("--balance-with", type=Path, metavar="DIR", help="more faces by emotion, for the compact study")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of rows and tables (default: RUNS/compare)")
    parser.add_argument("--list", action="store_true", help="print the rows, and do nothing else")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def _add_short(parser: argparse.ArgumentParser) -> None:
    """`--short` and its minutes."""
    parser.add_argument("--short", action="store_true", help="for a CPU: train each row for --minutes only, apart")
    parser.add_argument(
        "--minutes",
        type=float,
        default=60.0,
        metavar="M",
        help="minutes for each row, with --short (default: %(default)g); a later run with more minutes continues a "
        "row; an epoch that the time cuts off counts as a whole one",
    )


def _add_mode(parser: argparse.ArgumentParser) -> None:
    """`--no-training` and `--train-only`, and the names that these options had before."""
    mode = parser.add_mutually_exclusive_group()
    options = {
        ("--no-training", "--no-teaching"): "evaluate and tabulate what is trained, train nothing",
        ("--train-only", "--teach-only"): "train only, which needs just PyTorch; evaluate later, on any machine",
    }
    for (name, old_name), text in options.items():
        action = mode.add_argument(name, action="store_true", help=text)
        mode.add_argument(old_name, action="store_true", dest=action.dest, help=argparse.SUPPRESS)


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Train and evaluate what is left in the time; write tables and plots, print the path."""
    from trainer.compare.selection import chosen

    rows = chosen(args, config)
    if args.list:
        return _list(rows, args.json)
    from trainer.compare.planning import Limits, remaining_work, result_so_far, workspaces
    from trainer.compare.scheduler import one_by_one, side_by_side
    from trainer.training.distributed import join_group

    out, group = args.out or Path(config.runs) / "compare", join_group(config.accelerator)
    if group.size > 1 and args.jobs > 1:
        raise UsageError("--jobs: under torchrun all processes train one row together; leave --jobs out.")
    dataset, limits = load_dataset(config.data), Limits(args.max_mmac, args.train_only, args.no_training)
    places = workspaces(rows, out, dataset, config)
    results = [result_so_far(row, place, limits) for row, place in zip(rows, places, strict=True)]
    works = remaining_work(rows, places, results, limits)
    deadline = time.monotonic() + 3600 * (args.hours or math.inf)
    published = group.leads and not args.train_only
    finished = side_by_side(works, deadline, args.jobs) if args.jobs > 1 else one_by_one(works, deadline, group)
    for place, result in finished:
        results[place] = result
        if published:
            _publish(out, results, dataset.source)
    if published:
        _publish(out, results, dataset.source, and_draw=True)
    if group.leads:
        _print(results, args.json, lambda: print(out if args.train_only else out / "compare.md"))
    return 0


def _list(rows: Sequence[Experiment], as_json: bool) -> int:
    from trainer.compare import tables
    from trainer.compare.untrained import untrained_result

    known = [untrained_result(row) for row in rows]
    _print(known, as_json, lambda: print(tables.listing(known)))
    if not all(result.parameters for result in known):
        print("trainer: what each costs is counted where PyTorch is installed.", file=sys.stderr)
    return 0


def _publish(out: Path, results: Sequence[ExperimentResult], source: str, and_draw: bool = False) -> None:
    """Write the tables; and the plots, which take a moment."""
    from trainer.compare import page  # needs matplotlib; training does not

    if and_draw:
        page.draw(out, results)
    page.publish(out, results, source)


def _print(results: Sequence[ExperimentResult], as_json: bool, otherwise: Callable[[], None]) -> None:
    if as_json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    else:
        otherwise()
