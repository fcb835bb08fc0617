"""`device snapshot`: one annotated picture for aiming a camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.cli.options import add_config_options, add_source_option, load_settings

HELP = "one picture, to aim the camera"
DESCRIPTION = """\
Writes one frame with the faces that are found, their size, and the areas of
device.detector.ignore, for aiming a board without a screen. Only you can read
the file. No expression is classified, and the service never does this.
If the service runs, it has the camera: stop it first."""
EPILOG = """\
examples:
  device snapshot                          snapshot.png, then look at it
  device snapshot --blur --out room.jpg    nobody can be recognised
  scp pi@board.local:snapshot.png .        fetch it from the board"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device snapshot`."""
    add_config_options(parser)
    add_source_option(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("snapshot.png"), metavar="FILE", help="a .png or .jpg (%(default)s)"
    )
    parser.add_argument("--blur", action="store_true", help="make the picture unrecognisable below the marks")


def run(args: argparse.Namespace) -> int:
    """Take the picture and print where it is."""
    config = load_settings(args)
    from device.snapshot import take_snapshot

    print(take_snapshot(config, args.out, args.blur).sentence())
    return 0
