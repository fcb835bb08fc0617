"""`device model show`: prints the card of a model."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from device.cli.options import add_config_options, add_json_option, load_settings

HELP = "print a model's card (the default command)"
DESCRIPTION = """\
Prints the card of a model file: labels, input, quantisation, metrics, origin."""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device model show`."""
    parser.add_argument("path", nargs="?", type=Path, metavar="FILE", help="default: the model in force")
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the card."""
    from device.cli.model.card_view import describe
    from device.inference.model_card import digest, read_card
    from device.model_registry.registry import model_path

    path = args.path or model_path(load_settings(args))
    card, sha256 = read_card(path), digest(path)
    if args.json:
        print(json.dumps({"file": str(path), "digest": sha256, "card": dataclasses.asdict(card)}, indent=2))
    else:
        print(describe(card, path, sha256))
    return 0
