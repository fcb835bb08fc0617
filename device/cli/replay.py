"""`device replay`: measures the smoother on labelled clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.cli.options import add_config_options, add_json_option, load_settings

HELP = "score the smoother on labelled clips"
DESCRIPTION = """\
Plays labelled clips through the pipeline and prints, for each filter of the
smoother, how often its label flips, how long it takes to reach the right one,
and for what share of the time it is right, wrong or unknown."""
EPILOG = """\
the labels, a CSV file (clips beside it):
  clip,start_s,end_s,emotion
  ada.mp4,0,4.5,neutral
  ada.mp4,4.5,9,happy
A clip that ends in .csv holds recorded scores: time_s, then a column a label.

example:
  device replay --labels clips/labels.csv --set device.smoother.enter=0.7"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device replay`."""
    parser.add_argument(
        "--labels", type=Path, metavar="CSV", required=True, help="which expression is shown at what time"
    )
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Replay all clips and print the scores."""
    config = load_settings(args)
    from device.replay.replay import replay

    report = replay(config, args.labels)
    print(report.to_json() if args.json else report.table())
    return 0
