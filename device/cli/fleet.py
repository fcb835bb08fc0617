"""`device fleet`: the health of every board on a broker."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from device.cli.options import (
    add_config_options,
    add_json_option,
    add_listen_options,
    load_settings,
    with_listen_options,
)

HELP = "the health of every board on a broker"
DESCRIPTION = """\
Subscribes to every board under device.mqtt.base_topic and lists what is wrong
with each: offline, silent, camera bad, events that wait or are lost, throttled,
reconnecting often. Without --seconds it shows a live table until Ctrl-C (needs
the extra `fleet`); with it, it listens for that long and prints once; with
--web it serves a page, as `device dashboard` does for one board, until Ctrl-C.
A board sends its health every 30 s; silent ones show after
device.fleet.stale_s.
Exit code 0 means that all boards are there and healthy."""
EPILOG = """\
the inventory: names of boards, one a line, # begins a comment

examples:
  device fleet --set device.mqtt.host=broker.local
  device fleet --web --inventory boards.txt
  device fleet --seconds 95 --json | jq .unhealthy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device fleet`."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--seconds", type=_seconds, metavar="S", help="listen for this long, then print once")
    how.add_argument("--web", action="store_true", help="serve a web page instead of the table")
    expected = parser.add_mutually_exclusive_group()
    expected.add_argument("--expect", type=_count, metavar="N", help="this many boards must be there")
    expected.add_argument("--inventory", type=Path, metavar="FILE", help="the boards of this file must be there")
    add_listen_options(parser)
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Watch the boards, and print what is wrong with them."""
    config = with_listen_options(load_settings(args), args)
    if args.web:
        from device.dashboard import fleet_dashboard

        return fleet_dashboard(config, args.expect, args.inventory)
    from device.fleet import fleet

    return fleet(config, args.seconds, args.expect, args.inventory, args.json)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 86400:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 86400")


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
