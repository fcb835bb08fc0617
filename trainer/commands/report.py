"""`trainer report`: plots and tables of one run, or of several runs side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from device.errors import UsageError
from trainer.artifacts.run_dir import newest_student, open_run
from trainer.config import TrainConfig
from trainer.data.dataset import SPLITS
from trainer.reporting import ablation, tables

EPILOG = """examples:
  trainer report                                  the newest student: plots and tables into its folder `report`
  trainer report runs/teacher-1 --split private_test
  trainer report runs/student-* --table           the effect of each change, as a Markdown table: the first run is the
                                                  baseline; runs that differ only in the seed are one row, mean ± sd
  trainer report runs/student-* --curves c.png    the same groups as learning curves, a band for the seeds"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer report`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "folders", type=Path, nargs="*", metavar="RUN", help="run folder (default: the newest student's)"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="the same as one RUN")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="evaluated faces (default: public_test)")
    parser.add_argument("--table", action="store_true", help="compare several runs: print a table in Markdown")
    parser.add_argument("--curves", type=Path, metavar="F", help="compare several runs: draw learning curves, PNG")
    parser.add_argument(
        "--json", action="store_true", help="print the table, or the paths of the written files, as JSON"
    )


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Report on one run, or compare several."""
    from trainer.reporting.run_report import write_report

    folders = args.folders + ([args.run] if args.run else [])
    if args.table or args.curves:
        return compare_runs(folders or sorted(Path(config.runs).glob("*")), args)
    if len(folders) > 1:
        raise UsageError("Several runs are compared with --table or --curves F; a report is of one run.")
    folder = open_run(folders[0]) if folders else newest_student(Path(config.runs), "a run with --run")
    report, pictures = write_report(folder, args.split, config.data)
    print(json.dumps({"report": str(report), "pictures": list(map(str, pictures))}) if args.json else report)
    return 0


def compare_runs(paths: Sequence[Path], args: argparse.Namespace) -> int:
    """Print a table for each kind of run, and draw the learning curves with --curves."""
    from trainer.reporting import plots

    runs, notes = ablation.read_runs(paths)
    for note in notes:
        print(f"trainer: {note}.", file=sys.stderr)
    kinds = {kind: [run for run in runs if run.kind == kind] for kind in dict.fromkeys(run.kind for run in runs)}
    groups = {kind: ablation.grouped(members) for kind, members in kinds.items()}
    if args.curves:
        plots.save_picture(args.curves, plots.compared_curves(_curves(groups), "accuracy by epoch"))
    if args.json:
        print(json.dumps({kind: [group.row() for group in members] for kind, members in groups.items()}, indent=2))
    elif args.table:
        print(_tables([ablation.table(members) for members in groups.values()]))
        print(f"\nTrained on: {ablation.machines(runs) or 'unknown, no run has finished'}.")
    else:
        print(args.curves)
    return 0


def _curves(groups: dict[str, list[ablation.Group]]) -> dict[str, list[list[float]]]:
    """The accuracies of each group's runs, by the group's name."""
    several = len(groups) > 1
    return {
        f"{kind}: {group.what}" if several else group.what: [run.accuracies for run in group.runs]
        for kind, members in groups.items()
        for group in members
    }


def _tables(found: Sequence[tables.ScoreTable]) -> str:
    """The tables in Markdown, with titles where there are several."""
    if len(found) == 1:
        return found[0].markdown()
    return "\n\n".join(f"{table.title}:\n\n{table.markdown()}" for table in found)
