"""`device replay`: scores the smoother, or the whole chain, on labelled clips and photos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from device.cli.options import add_config_options, add_json_option, load_settings
from device.errors import UsageError
from device.standard_streams import is_terminal

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig
    from device.replay.chain_report import ClipReport, PhotoReport
    from device.replay.replay import Report

HELP = "score the smoother on labelled clips, or the whole chain on photos"
DESCRIPTION = """\
--labels plays labelled clips through the pipeline and prints, for each filter
of the smoother, how often its label flips, how long it takes to reach the right
one, and for what share of the time it is right, wrong or unknown.

--truth scores the whole chain. Each photo is shown for device.camera.picture_s,
fitted into device.camera.width and height: which faces are found and followed,
and what a subscriber hears at the end. Of clips: tracks, and labels over time."""
EPILOG = """\
the labels, a CSV file (clips beside it):
  clip,start_s,end_s,emotion
  ada.mp4,0,4.5,neutral
  ada.mp4,4.5,9,happy
A clip that ends in .csv holds recorded scores: time_s, then a column a label.

the truth of photos, a CSV file (pixels of the photo; kind: face, ignore, none):
  image,x,y,width,height,kind,emotion
  photo-1.jpg,210,64,96,120,face,happy
  photo-1.jpg,402,80,90,110,face,unclear
the truth of clips (how many people; their expression, which may be empty):
  clip,tracks,emotion
  ada.mp4,1,happy

examples:
  device replay --labels clips/labels.csv --set device.smoother.enter=0.7
  device replay --truth truth.csv photos --photos odd
  device replay --truth truth.csv photos --set device.pipeline.budget_ms=null
The time budget counts processor time, so a busy machine changes little. The
last example has no budget and gives exactly the same result every time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device replay`."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--labels", type=Path, metavar="CSV", help="which expression is shown at what time")
    source.add_argument("--truth", type=Path, metavar="CSV", help="what photos or clips show")
    parser.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER", help="where the photos or clips of --truth are (beside it)"
    )
    parser.add_argument(
        "--photos", choices=("odd", "even", "all"), default="all", help="only those with such a number (default: all)"
    )
    parser.add_argument("--detection-only", action="store_true", help="of photos: only search each frame once")
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Replay everything and print the scores."""
    config = load_settings(args)
    report = _labels(config, args) if args.labels is not None else _truth(config, args)
    print(report.to_json() if args.json else report.table())
    return 0


def _labels(config: DeviceConfig, args: argparse.Namespace) -> Report:
    if args.folder is not None:
        raise UsageError("FOLDER belongs to --truth; with --labels the clips are beside the file.")
    from device.replay.replay import replay

    return replay(config, args.labels)


def _truth(config: DeviceConfig, args: argparse.Namespace) -> PhotoReport | ClipReport:
    from device.replay.chain import score_chain

    return score_chain(
        config,
        args.truth,
        args.folder or args.truth.parent,
        which=args.photos,
        detection_only=args.detection_only,
        advance=_show_progress,
    )


def _show_progress(done: int, all: int) -> None:
    if is_terminal(sys.stderr):
        print(f"\r{done} of {all}", end="" if done < all else "\r\033[K", file=sys.stderr, flush=True)
