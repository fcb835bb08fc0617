"""Options that several commands share, and the settings that result from them."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from device.errors import without_secrets

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add --config and --set."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (default: config.yaml here, else the built-in defaults)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, such as device.mqtt.port=1884"
    )


def add_source_option(parser: argparse.ArgumentParser) -> None:
    """Add --source."""
    parser.add_argument("--source", metavar="URI", help="instead of device.camera.source")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def config_path(args: argparse.Namespace) -> Path | None:
    """The file that --config names, else ./config.yaml if it exists."""
    if args.config is not None:
        return Path(args.config)
    here = Path("config.yaml")
    return here if here.exists() else None


def load_settings(args: argparse.Namespace) -> DeviceConfig:
    """The settings in force: defaults, then the file, then --set, then options such as --source.

    Raises:
        ConfigError: a setting is unknown or its value is not allowed.
    """
    from device.config.schema import load_config

    config = load_config(config_path(args), args.set)
    changed = {key: getattr(args, key) for key in ("source", "fast", "loop") if getattr(args, key, None)}
    camera = dataclasses.replace(config.camera, **changed)
    return dataclasses.replace(config, camera=dataclasses.replace(camera, source=_public(camera.source)))


def _public(source: str) -> str:
    """The source without a user and password; says so if it had one."""
    from device.config.source_address import without_user

    public = without_user(source)
    if public != source:
        print(
            f"device: {without_secrets(public)}: the user and password in the camera's address are not used, because "
            "everybody sees an address; write them into files and set device.camera.username_file and password_file.",
            file=sys.stderr,
        )
    return public
