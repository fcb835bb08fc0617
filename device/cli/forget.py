"""`device forget`: clears what a device left on the broker."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from device.cli.options import add_config_options, add_json_option, load_settings

HELP = "clear a device's retained messages and its entities in Home Assistant"
DESCRIPTION = """\
Clears every retained message under <base>/<device>/ and the device's discovery
messages, so that neither `device fleet` nor Home Assistant shows it any more.
For a device that is removed for good, or whose device.id was changed. Stop it
first: a running one publishes them again."""
EPILOG = """\
examples:
  device forget --set device.mqtt.host=broker.local              this device
  device forget --id hall --set device.mqtt.host=broker.local    a former id"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device forget`."""
    parser.add_argument("--id", metavar="OLD", help="this id instead of device.id")
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Clear the messages, and print how many."""
    config = load_settings(args)
    from device.publishing.forget import forget

    done = forget(config if args.id is None else dataclasses.replace(config, id=args.id))
    if args.json:
        print(json.dumps(dataclasses.asdict(done)))
    else:
        print(f"{done.device}: {len(done.cleared)} retained messages cleared.")
    if done.unread is not None:
        print(f"device: {done.unread}; only the topics of every device were cleared.", file=sys.stderr)
    if done.online:
        print(f"device: {done.device} was online; stop it, else it publishes them again.", file=sys.stderr)
    return 0
