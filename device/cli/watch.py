"""`device watch`: faces, attention, events and alerts of boards, live in the terminal."""

from __future__ import annotations

import argparse

from device.cli.options import add_config_options, load_settings

HELP = "faces, events and alerts of boards, live"
DESCRIPTION = """\
Subscribes to one board, or to all of a base topic, and shows each face with
its expression, confidence and attention, the summary, the latest events and
alerts, and whether board and broker are there, until Ctrl-C. The live view
needs the extra `fleet`. Where standard output is no terminal, it prints one
line for each change instead."""
EPILOG = """\
examples:
  device watch --set device.mqtt.host=broker.local
  device watch --topic emotion/classroom-3 --set device.mqtt.host=broker.local
  device watch --set device.mqtt.host=broker.local | grep alert > alerts.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device watch`."""
    parser.add_argument(
        "--topic", metavar="TOPIC", help="<base>/<device>, or <base>/+ (default: all of device.mqtt.base_topic)"
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Show the boards until Ctrl-C."""
    config = load_settings(args)
    from device.watch import watch

    return watch(config, args.topic)
