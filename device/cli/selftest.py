"""`device selftest`: checks whether this machine can run the device."""

from __future__ import annotations

import argparse

from device.cli.options import add_config_options, add_json_option, add_source_option, load_settings

HELP = "can this machine run the device?"
DESCRIPTION = """\
Checks config, model, golden outputs, the bundled face, camera, broker, state
folder and board, and measures the time for a frame against
device.selftest.budget_ms. Exit code 0 means that all checks passed."""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device selftest`."""
    add_config_options(parser)
    add_source_option(parser)
    parser.add_argument("--no-camera", action="store_true", help="do not check the camera")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run the checks and print them."""
    config = load_settings(args)
    from device.selftest.runner import selftest

    report = selftest(config, camera=not args.no_camera)
    print(report.to_json() if args.json else report.table())
    return 0 if report.ok else 1
