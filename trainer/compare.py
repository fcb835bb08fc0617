"""`trainer compare`: every network of the studies, taught and judged alike, side by side with our own."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from device.errors import UsageError
from trainer import compare_pictures, compare_table, pictures
from trainer.config import StudyConfig, TrainConfig
from trainer.dataset import Dataset, load_dataset
from trainer.errors import DataError
from trainer.parallel import ALONE, Group, join_group
from trainer.protocols import PROTOCOLS, studied, tested_on
from trainer.row_result import PICTURES, examine, examine_model
from trainer.row_run import Bench, facts, standing, teach
from trainer.runs import write_text
from trainer.studies import EXTRA, STUDIES, Row
from trainer.studies.compact import STUDY as BALANCED
from trainer.studies.transfer import STUDY as TRANSFER
from trainer.studies.transfer import from_imagenet

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
    parser.add_argument("--no-teaching", action="store_true", help="only put together what is there already")
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
        known = [facts(row) for row in rows]
        _print(known, args.json, lambda: Console().print(compare_table.listing(known).rich()))
        return 0
    dataset, out = load_dataset(config.data), args.out or Path(config.runs) / "compare"
    faces, group = _faces(rows, dataset), join_group(config.accelerator)
    benches = [Bench(out, faces[row.key], tested_on(dataset, row.config.study.protocol), config) for row in rows]
    results = [_standing(row, bench, args) for row, bench in zip(rows, benches, strict=True)]
    left = [_is_left(row, result, args) for row, result in zip(rows, results, strict=True)]
    for _ in work_through(rows, benches, results, left, args.hours or math.inf, group):
        if group.leads:
            publish(out, results, dataset.source)
    if group.leads:
        draw(out, results)
        publish(out, results, dataset.source)
        _print(results, args.json, lambda: print(out / "compare.md"))
    return 0


def work_through(
    rows: Sequence[Row],
    benches: Sequence[Bench],
    results: list[dict[str, Any]],
    left: Sequence[bool],
    hours: float,
    group: Group,
) -> Iterator[Row]:
    """Teach and judge the rows that are `left`, and put what comes of each into `results`; yields after each.

    However few the hours, at least one epoch is taught, so that many short calls come to an end, too.
    """
    deadline, begun = time.monotonic() + 3600 * hours, False
    for place, (row, bench) in enumerate(zip(rows, benches, strict=True)):
        if not left[place]:
            continue
        if begun and group.first(lambda: time.monotonic() >= deadline):
            _tell("the time is over, go on with the same command", results, group)
            return
        _tell(f"row {place + 1} of {len(rows)}: {row.key}", results, group)
        results[place] = worked(row, bench, (deadline - time.monotonic()) / 60, group)
        begun = True
        yield row


def chosen(args: argparse.Namespace, config: TrainConfig) -> list[Row]:
    """The rows that are asked for, with what the command line says in place of their own settings.

    Raises:
        UsageError: a name is not known, or an option has no sense.
    """
    if config.study != StudyConfig():
        raise UsageError("trainer.study is set by each row itself; choose rows with --models and --studies.")
    if (args.epochs is not None and args.epochs < 1) or (args.hours is not None and args.hours <= 0):
        raise UsageError("--epochs must be at least 1, and --hours above 0.")
    found = _named(args.studies, args.models)
    if args.epochs is not None:
        found = [row.with_epochs(args.epochs) for row in found]
    if args.split_protocol is not None:
        found = [row.with_protocol(args.split_protocol) for row in found]
    if args.imagenet is not None:
        found = [_with_weights(row, args.imagenet) if row.study == TRANSFER else row for row in found]
    if args.balance_with is not None:
        folder = str(args.balance_with)
        found = [row.with_study(balance_with=folder) if row.study.startswith(BALANCED) else row for row in found]
    return found


def _named(studies: Sequence[str] | None, models: Sequence[str] | None) -> list[Row]:
    every = STUDIES | EXTRA
    for name in studies or ():
        if name not in every:
            raise UsageError(f"--studies: there is no study {name!r}; there are {', '.join(every)}.")
    rows = [row for name in (studies or STUDIES) for row in every[name]]
    if models is None:
        return rows
    for name in models:
        if not any(_is(row, name) for row in rows):
            raise UsageError(f"--models: no row is named {name!r} here; `trainer compare --list` names them.")
    return [row for row in rows if any(_is(row, name) for name in models)]


def _is(row: Row, name: str) -> bool:
    return name in (row.key, row.name) or (row.model is None and name == row.config.study.network)


def _with_weights(row: Row, folder: Path) -> Row:
    """The row with the file of its network in a folder.

    Raises:
        DataError: there is none.
    """
    files = sorted(folder.glob(f"{row.config.study.network}*.pth"))
    if not files:
        raise DataError(f"{folder}: no file {row.config.study.network}*.pth is here, as torchvision names its weights.")
    return from_imagenet(row, str(files[0]))


def _faces(rows: Sequence[Row], dataset: Dataset) -> dict[str, Dataset]:
    """The faces as each row has them, by its key; rows that have them alike share them."""
    forms: dict[object, Dataset] = {}
    found = {}
    for row in rows:
        study = row.config.study
        form = (study.protocol, study.balance_to, study.balance_with)
        found[row.key] = forms[form] = forms.get(form) or studied(dataset, study)
    return found


def _standing(row: Row, bench: Bench, args: argparse.Namespace) -> dict[str, Any]:
    """How the row stands, and why nothing more is done about it, where that is so."""
    if row.model is not None and row.config.study.protocol != "original":
        return facts(row) | {"state": "not comparable", "why": "taught or chosen on faces of this test"}
    result = standing(row, bench)
    if result["state"] != "trained" and args.max_mmac is not None and result["macs"] > 1e6 * args.max_mmac:
        result["why"] = f"above {args.max_mmac:g} MMAC"
    return result


def _is_left(row: Row, result: dict[str, Any], args: argparse.Namespace) -> bool:
    """Whether something is to be done about a row."""
    if result["state"] in ("trained", "not comparable") or result["why"]:
        return False
    return row.model is not None or not args.no_teaching


def worked(row: Row, bench: Bench, minutes: float, group: Group = ALONE) -> dict[str, Any]:
    """Teach a row for so many minutes at most, and judge it once it is finished; how it stands then."""
    if row.model is not None:
        return group.first(lambda: examine_model(row, bench))
    finished = teach(row, bench, None if math.isinf(minutes) else minutes, group)
    return group.first(lambda: examine(row, bench) if finished else standing(row, bench))


def publish(out: Path, results: Sequence[dict[str, Any]], source: str) -> None:
    """Write compare.md, compare.csv and compare.json."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.md", markdown(out, results, source))
    write_text(out / "compare.csv", compare_table.as_csv(results))
    write_text(out / "compare.json", json.dumps({"data": source, "rows": list(results)}, indent=2) + "\n")


def markdown(out: Path, results: Sequence[dict[str, Any]], source: str) -> str:
    """Tables and pictures on one page."""
    trained = [result for result in results if result["state"] == "trained"]
    parts = [f"# {len(trained)} of {len(results)} rows, on {Path(source).name}"]
    if source == "toy":
        parts.append("**Drawn faces: these figures say nothing of people.**")
    for table in compare_table.tables(results):
        parts += [f"## {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts.append(compare_table.legend())
    parts += [f"![{path.stem}]({path.name})" for path in sorted(out.glob("*.png"))]
    for result in trained:
        folder = Path(result["study"]) / f"{result['name']}-{result['protocol']}"
        drawn = [f"[{name}]({folder / name}.png)" for name in PICTURES if (out / folder / f"{name}.png").is_file()]
        parts.append(f"- {result['key']}: {', '.join(drawn)}")
    return "\n\n".join(parts) + "\n"


def draw(out: Path, results: Sequence[dict[str, Any]]) -> None:
    """What accuracy costs, with the Pareto front, and how the rows of each study learnt."""
    out.mkdir(parents=True, exist_ok=True)
    for cost in compare_pictures.COSTS:
        if found := compare_pictures.points(results, cost):
            title = f"{len(found)} rows with a figure of {len(results)}"
            pictures.save_picture(out / f"pareto-{cost}.png", compare_pictures.pareto(found, cost, title))
    for study in dict.fromkeys(result["study"] for result in results):
        curves = {r["name"]: [r["curve"]] for r in results if r["study"] == study and "curve" in r}
        if curves:
            figure = pictures.compared_curves(curves, study, "accuracy on validation")
            pictures.save_picture(out / f"learning-{study}.png", figure)


def _tell(text: str, results: Sequence[dict[str, Any]], group: Group) -> None:
    if group.leads:
        trained = sum(result["state"] == "trained" for result in results)
        print(f"{text}; {trained} finished so far", file=sys.stderr, flush=True)


def _print(results: Sequence[dict[str, Any]], as_json: bool, otherwise: Any) -> None:
    if as_json:
        print(json.dumps(list(results), indent=2))
    else:
        otherwise()
