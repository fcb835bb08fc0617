"""`device demo`: the whole pipeline on a bundled picture."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "the whole pipeline; needs no camera and no broker"
DESCRIPTION = """\
Plays a bundled public-domain picture as a moving clip through the whole
pipeline to a real broker (Mosquitto if it is installed, else a small one in
Python), subscribes to it, prints the messages that arrive, and writes an
annotated picture."""
EPILOG = ""


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


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    from device.demo import demo

    return demo(args.out, args.model, args.broker)
