"""Options that several commands share, and the settings that result from them."""

from __future__ import annotations

import argparse
import dataclasses
import re
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


def add_listen_options(parser: argparse.ArgumentParser) -> None:
    """Add --listen, --token-file and --behind-proxy."""
    parser.add_argument("--listen", type=_address, metavar="HOST:PORT", help="where to listen (127.0.0.1:8088)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="its first line is the token to show")
    parser.add_argument(
        "--behind-proxy", metavar="NAME", help="a proxy asks for passwords; browsers call it by this host name"
    )


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


def with_listen_options(config: DeviceConfig, args: argparse.Namespace) -> DeviceConfig:
    """The settings with what the options of `add_listen_options` say."""
    changed = {} if args.listen is None else {"host": args.listen[0], "port": args.listen[1]}
    changed |= {"token_file": str(args.token_file)} if args.token_file is not None else {}
    changed |= {"behind_proxy": args.behind_proxy} if args.behind_proxy is not None else {}
    return dataclasses.replace(config, dashboard=dataclasses.replace(config.dashboard, **changed))


def _address(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})", text)
    if match and int(match[3]) <= 65535:
        return match[1] or match[2], int(match[3])
    raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8088 or [::1]:8088")


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
