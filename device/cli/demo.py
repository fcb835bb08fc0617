"""`device demo`: the whole pipeline on a bundled picture."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "the whole pipeline; needs no camera and no broker"
DESCRIPTION = """\
Plays a bundled public-domain picture as a moving clip through the whole
pipeline to a real broker (Mosquitto if it is installed, else a small one in
Python), subscribes to it, prints the messages that arrive, and writes an
annotated picture.

With --web it plays the clip again and again instead, and serves the page of
`device dashboard`: open the address that it prints. Ctrl-C ends it."""
EPILOG = """\
examples:
  device demo
  device demo --web                     the same, live in a browser"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device demo`."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo/emotion-edge-demo.png"), metavar="PNG", help="the picture (%(default)s)"
    )
    parser.add_argument("--model", type=Path, metavar="FILE", help="a .tflite instead of the bundled one")
    parser.add_argument(
        "--broker",
        choices=("auto", "mosquitto", "amqtt"),
        default="auto",
        help="auto: Mosquitto if it is installed, else amqtt",
    )
    parser.add_argument("--web", action="store_true", help="show it on a web page until Ctrl-C")


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    if args.web:
        from device.dashboard.web_demo import web_demo

        return web_demo(args.model, args.broker)
    from device.demo import demo

    return demo(args.out, args.model, args.broker)
