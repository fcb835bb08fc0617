"""`device check-config`: checks a config and prints it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from device.cli.options import add_config_options, add_json_option, config_path, load_settings

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig

HELP = "check a config, print the settings in force"
DESCRIPTION = """\
Loads a config as `device run` would, and prints what is wrong with it (file,
line, key, what is allowed) or which settings differ from the defaults.
Exit code 0: `device run` accepts it. 2: a setting is wrong, or
device.purpose or device.jurisdiction is missing. With --print and --all, these
two may be missing, because the output is also a file to start with."""
EPILOG = """\
examples:
  device check-config --print > mine.yaml       a file to start with
  device check-config --config mine.yaml --set device.purpose=test \\
      --set device.jurisdiction=eu              as if both were in the file
  device check-config --all | less              every setting, with its meaning"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device check-config`."""
    add_config_options(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--print", action="store_true", help="print the main settings and those that differ from the defaults, as YAML"
    )
    output.add_argument("--all", action="store_true", help="print every setting in force, as YAML")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Check the settings in force; print them first where that is asked for."""
    from device.config import usage_policy
    from device.config.yaml_writer import render

    config = load_settings(args)
    as_yaml = (args.print or args.all) and not args.json
    if as_yaml:
        print(render({"device": config}, advanced=args.all), end="")
        if (missing := usage_policy.missing_settings(config)) is not None:
            print(f"device: note: {missing}.", file=sys.stderr)
            return 0
    check(config)
    if not as_yaml:
        _print_changes(config, str(config_path(args) or "built-in defaults"), args.json)
    return 0


def check(config: DeviceConfig) -> None:
    """Run the checks that go beyond the type and the bounds of one setting.

    Raises:
        ConfigError: a combination of settings, a key or a topic is not allowed.
    """
    from device.config import usage_policy
    from device.model_registry.minisign import read_key
    from device.mqtt.topics import Topics
    from device.vision.smoother import make_smoother

    usage_policy.check(config)
    for key in config.model.public_keys:
        read_key(key)
    Topics(config)  # checks device.id and device.mqtt.base_topic
    make_smoother(config.smoother, ("any", "other"))  # checks that leave is below enter


def _print_changes(config: DeviceConfig, where: str, as_json: bool) -> None:
    from device.config import usage_policy
    from device.config.loader import to_dict
    from device.config.yaml_writer import changes

    changed = changes(config, "device")
    if as_json:
        values = {key: value for key, (value, _) in changed.items()}
        print(json.dumps({"ok": True, "file": where, "changed": values, "device": to_dict(config)}, indent=2))
        return
    print(f"{where}: good; changed from the defaults: {len(changed) or 'nothing'}")
    for key, (value, default) in changed.items():
        print(f"  {key}: {value!r} (default {default!r})")
    for note in (usage_policy.note(config), usage_policy.attention_note(config)):
        if note is not None:
            print(f"note: {note}.")
