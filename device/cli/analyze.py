"""`device analyze`: photos and films to a table of faces."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device.cli.options import add_config_options, add_json_option, load_settings
from device.cli.progress import ProgressBar
from device.errors import SourceError, StateError, UsageError
from device.standard_streams import is_terminal

if TYPE_CHECKING:
    from device.analysis import Analyzer
    from device.analysis.tables import Table

HELP = "photos and films to a table of faces"
DESCRIPTION = """\
Reads photos and films as fast as this machine can, and writes one row for each
face and moment: the file, the film time in seconds, the number of the face, its
expression with confidence, its box in pixels, and the score of every label;
with device.attention.enabled also head pose, eyes and mouth.
A film's faces are tracked and smoothed as in `device run`. A photo is read at
once for what it shows. A folder is searched with the folders in it.
device.purpose and device.jurisdiction must be set, as for `device run`."""
EPILOG = """\
examples:
  device analyze photo.jpg --set device.purpose=test --set device.jurisdiction=eu
and with both set in config.yaml:
  device analyze clips/ --csv faces.csv             a table for a spreadsheet
  device analyze clip.mp4 --json | jq '.[] | select(.emotion == "happy")'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `device analyze`."""
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE|FOLDER", help="photos, films, or folders of them")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write the rows to this file, as CSV")
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Read every file; the exit code is 1 if one of them cannot be read."""
    config = load_settings(args)
    from device.analysis import Analyzer, find_media

    media = find_media(args.paths)
    if args.csv is not None and args.csv.resolve() in [file.resolve() for file in media.files]:
        raise UsageError(f"--csv {args.csv}: this is one of the files to read; name another one.")
    analyzer = Analyzer(config)
    with ExitStack() as stack:
        tables = _open_tables(stack, analyzer, args)
        result = _read(analyzer, media.files, tables, to_terminal=args.csv is None and is_terminal(sys.stdout))
    _report(result, media.passed_over, args.csv)
    return 1 if result.unreadable else 0


@dataclass
class _Result:
    """What was found, in numbers."""

    rows: int = 0
    files: int = 0
    faceless: int = 0  # files without a face
    unreadable: int = 0


def _open_tables(stack: ExitStack, analyzer: Analyzer, args: argparse.Namespace) -> list[Table]:
    """Where the rows go: the file, and standard output unless there is only the file."""
    from device.analysis.tables import TextTable, open_csv, open_json

    tables: list[Table] = []
    if args.csv is not None:
        tables.append(stack.enter_context(open_csv(args.csv, analyzer.labels, analyzer.attention)))
    if sys.stdout is None and (args.json or not tables):
        raise StateError("standard output is closed, so the rows cannot be printed; write them to a file with --csv.")
    if args.json:
        tables.append(stack.enter_context(open_json(sys.stdout)))
    return tables or [TextTable(sys.stdout)]


def _read(analyzer: Analyzer, files: Sequence[Path], tables: Sequence[Table], to_terminal: bool) -> _Result:
    """Write the rows of every file; a file that cannot be read costs one sentence."""
    bar = ProgressBar(len(files), shown=not to_terminal)
    result = _Result(files=len(files))
    for done, file in enumerate(files):
        bar.show(done, file.name)
        before = result.rows
        try:
            for row in analyzer.read(file):
                result.rows += 1
                for table in tables:
                    table.write(row)
                bar.show(done, file.name if row.time_s is None else f"{file.name}, {row.time_s:.1f} s")
        except SourceError as error:
            bar.clear()
            print(f"device: {error}", file=sys.stderr)
            result.unreadable += 1
        else:
            result.faceless += result.rows == before
    bar.clear()
    return result


def _report(result: _Result, passed_over: int, csv: Path | None) -> None:
    counts = {
        "without a face": result.faceless,
        "unreadable": result.unreadable,
        "of other kinds left out": passed_over,
    }
    notes = "".join(f", {count} {text}" for text, count in counts.items() if count)
    where = f"; written to {csv}" if csv is not None else ""
    done = f"{_count(result.rows, 'row')} from {_count(result.files, 'file')}{notes}{where}"
    print(f"device: {done}.", file=sys.stderr)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
