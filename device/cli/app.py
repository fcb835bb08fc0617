"""The `device` command: the list of its commands, and what an error means for the exit code.

A command imports what it needs when it runs, so that `device --help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from device.cli import (
    analyze,
    cameras,
    check_config,
    completion,
    dashboard,
    demo,
    fleet,
    forget,
    model,
    replay,
    run,
    selftest,
    snapshot,
    watch,
)
from device.cli.parser import CommandParser
from device.errors import EmotionEdgeError, os_error_sentence
from device.plain_text import shown
from device.standard_streams import guarded

COMMANDS = {
    "run": run,
    "analyze": analyze,
    "cameras": cameras,
    "snapshot": snapshot,
    "selftest": selftest,
    "demo": demo,
    "model": model,
    "replay": replay,
    "dashboard": dashboard,
    "fleet": fleet,
    "watch": watch,
    "forget": forget,
    "check-config": check_config,
    "completion": completion,
}
DESCRIPTION = """\
Finds faces, classifies their expression with a small network on this machine,
and publishes every change over MQTT. No picture is stored or sent."""
EPILOG = """\
to start with:
  device demo                           a bundled picture, to a broker and back
  device check-config --print > config.yaml       settings to start with

with device.purpose and device.jurisdiction set in config.yaml:
  device analyze photos/ --csv faces.csv          a table of faces
  device run --source clip.mp4          a video's events, as JSON lines
  device run --set device.mqtt.host=localhost     camera events, to a broker

exit codes:
  0 good   1 the check failed or the work could not be done   2 wrong usage

documentation: https://github.com/emotion-edge/emotion-edge/tree/main/docs"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        with guarded():
            args = build_parser().parse_args(sys.argv[1:] if argv is None else list(argv))
            command: Callable[[argparse.Namespace], int] = args.run
            return command(args)
    except EmotionEdgeError as error:
        print(f"device: {shown(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("device: stopped.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output is gone
        return 1
    except OSError as error:
        print(f"device: {shown(os_error_sentence(error))}", file=sys.stderr)
        return 1


def build_parser() -> CommandParser:
    """The command line of all commands."""
    parser = CommandParser(prog="device", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    parser.add_commands(COMMANDS, "COMMAND")
    parser.set_defaults(command_line=parser)  # for `device completion`
    return parser


class _Version(argparse.Action):
    """`--version`; the version is looked up only when it is asked for, because that takes time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"emotion-edge {version('emotion-edge')}")
        parser.exit()
