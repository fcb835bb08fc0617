"""`trainer compare`: every network of the studies, taught and judged alike, side by side with our own."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from device.errors import UsageError
from trainer.compare.experiment_run import Workspace, facts, is_taught, standing
from trainer.compare.scheduler import Work, one_by_one, side_by_side
from trainer.compare.selection import chosen, faces_of
from trainer.compare.studies import EXTRA, STUDIES, Experiment
from trainer.config import TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import load_dataset
from trainer.data.splits import PROTOCOLS, tested_on
from trainer.training.distributed import join_group

TOY_FACES = {"training": 280, "public_test": 140, "private_test": 140}
EPILOG = f"""Rows that are finished are taken as they are, one that was cut off goes on: run the same command again.
Each row lies in a folder of its own, OUT/<study>/<row>-<split>/, with its figures, its pictures and its .tflite.

splits:
{chr(10).join(f"  {name:10}{text}" for name, text in PROTOCOLS.items())}

examples:
  trainer compare --list                                    the rows, and what each costs
  trainer compare --data toy --epochs 1                     every row end to end, on drawn faces
  trainer compare --data D --max-mmac 100 --hours 2         what a CPU can do, two hours at a time
  trainer compare --data D --models residual_cnn resnet18   all rows of these networks
  trainer compare --data D --studies transfer --imagenet weights/    resnet18*.pth and so on, as torchvision has them
  trainer compare --data D --studies compact-grid           one of the studies that run only when they are named:
                                                            {", ".join(EXTRA)}
  trainer compare --data D --teach-only --jobs 4 --hours 0.2     on a machine with a GPU and little else; take
                                                            RUNS/compare home, and say there: --no-teaching
  torchrun --nproc-per-node=4 -m trainer.cli compare --data D"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer compare`."""
    parser.epilog = EPILOG
    parser.add_argument("--models", nargs="+", metavar="M", help="only rows of these names or networks")
    parser.add_argument("--studies", nargs="+", metavar="S", help=f"only these studies ({', '.join(STUDIES)})")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of each study's own number")
    parser.add_argument("--split-protocol", choices=tuple(PROTOCOLS), help="instead of each study's own split")
    parser.add_argument(
        "--max-mmac", type=float, metavar="N", help="teach only rows of at most N million multiply-adds"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--no-teaching", action="store_true", help="only judge and put together what is taught already")
    way.add_argument(
        "--teach-only", action="store_true", help="only teach, which wants PyTorch alone; judge later, anywhere"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="rows at a time, each in a process of its own (default: 1)"
    )
    parser.add_argument("--hours", type=float, metavar="H", help="stop after the epoch in which these are over")
    parser.add_argument("--imagenet", type=Path, metavar="DIR", help="torchvision's weights, for transfer learning")
    parser.add_argument("--balance-with", type=Path, metavar="DIR", help="more faces by emotion, for the compact study")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of rows and tables (default: RUNS/compare)")
    parser.add_argument("--list", action="store_true", help="only say which rows there are")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Teach and judge what is not yet, as far as the time goes; write the tables and the pictures, print their path."""
    rows = chosen(args, config)
    if args.list:
        return _list([facts(row) for row in rows], args.json)
    out, group = args.out or Path(config.runs) / "compare", join_group(config.accelerator)
    if group.size > 1 and args.jobs > 1:
        raise UsageError("--jobs: under torchrun all processes teach one row together; leave --jobs away.")
    benches, source = _benches(rows, out, config)
    results = [_standing(row, bench, args) for row, bench in zip(rows, benches, strict=True)]
    works, deadline = _works(rows, benches, results, args), time.monotonic() + 3600 * (args.hours or math.inf)
    at_work = side_by_side(works, deadline, args.jobs) if args.jobs > 1 else one_by_one(works, deadline, group)
    published = group.leads and not args.teach_only
    for place, result in at_work:
        results[place] = result
        if published:
            _publish(out, results, source)
    if published:
        _publish(out, results, source, and_draw=True)
    if group.leads:
        _print(results, args.json, lambda: print(out if args.teach_only else out / "compare.md"))
    return 0


def _list(known: list[dict[str, Any]], as_json: bool) -> int:
    def table() -> None:
        from rich.console import Console

        from trainer.compare import tables

        Console().print(tables.listing(known).rich())

    _print(known, as_json, table)
    return 0


def _benches(rows: Sequence[Experiment], out: Path, config: TrainConfig) -> tuple[list[Workspace], str]:
    """Where each row is worked on, and where the faces come from; a part of those that are only drawn is enough."""
    dataset = load_dataset(config.data)
    if dataset.source == "toy":
        dataset = Dataset({name: faces.take(slice(TOY_FACES[name])) for name, faces in dataset.splits.items()}, "toy")
    faces, protocols = faces_of(rows, dataset), [row.config.study.protocol for row in rows]
    benches = [
        Workspace(out, faces[row.key], tested_on(dataset, protocol), config)
        for row, protocol in zip(rows, protocols, strict=True)
    ]
    return benches, dataset.source


def _standing(row: Experiment, bench: Workspace, args: argparse.Namespace) -> dict[str, Any]:
    """How the row stands, and why nothing more is done about it, where that is so."""
    if row.model is not None and row.config.study.protocol != "original":
        return facts(row) | {"state": "not comparable", "why": "taught or chosen on faces of this test"}
    result = standing(row, bench)
    if args.max_mmac is not None and result["macs"] > 1e6 * args.max_mmac and not is_taught(row, bench):
        result["why"] = f"above {args.max_mmac:g} MMAC"
    return result


def _works(
    rows: Sequence[Experiment],
    benches: Sequence[Workspace],
    results: Sequence[dict[str, Any]],
    args: argparse.Namespace,
) -> list[Work]:
    """What is left to do, the cheapest first, so that as many rows as possible are finished when the time is over."""
    works = []
    for place, (row, bench, result) in enumerate(zip(rows, benches, results, strict=True)):
        if result["state"] in ("trained", "not comparable") or result["why"]:
            continue
        trained = is_taught(row, bench)
        if (args.teach_only and trained) or (args.no_teaching and not trained):
            continue
        cost = 0 if trained else result["macs"] * result["faces"]["training"] * result["epochs"]["planned"]
        works.append(Work(place, row, bench, not args.teach_only, cost))
    return sorted(works, key=lambda work: work.cost)


def _publish(out: Path, results: Sequence[dict[str, Any]], source: str, and_draw: bool = False) -> None:
    """Write the tables; and the pictures, which take a moment."""
    from trainer.compare import page  # which wants matplotlib, where teaching does not

    if and_draw:
        page.draw(out, results)
    page.publish(out, results, source)


def _print(results: Sequence[dict[str, Any]], as_json: bool, otherwise: Callable[[], None]) -> None:
    if as_json:
        print(json.dumps(list(results), indent=2))
    else:
        otherwise()
