"""`device model rollback`: goes back to the previous model."""

from __future__ import annotations

import argparse

from device.cli.model.outcome import print_success
from device.cli.options import add_config_options, add_json_option, load_settings
from device.errors import StateError

HELP = "go back to the previous model"
DESCRIPTION = """\
Goes back to the previous model; a second time, to the bundled one. A trial ends
with it."""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device model rollback`."""
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Go back to the previous model."""
    from device.model_registry.install import installable

    store = installable(load_settings(args))
    if (current := store.record().current) is None:
        raise StateError("the bundled model is in force; there is no previous one to go back to.")
    record = store.roll_back(current, "asked for with `device model rollback`")
    return print_success(record, True, args.json)
