"""`device completion`: prints a script that completes `device` in a shell."""

from __future__ import annotations

import argparse

from device.cli.completion_scripts import SHELLS, script

HELP = "print a script for completion in your shell"
DESCRIPTION = """\
Prints a script with which the shell completes commands, options, their choices
and the names of settings. It starts no program while you type."""
EPILOG = """\
examples:
  source <(device completion bash)                    in ~/.bashrc
  source <(device completion zsh)                     in ~/.zshrc, after compinit
  device completion fish | source                     in ~/.config/fish/config.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `device completion`."""
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from device.config.loader import keys
    from device.config.schema import DeviceConfig

    settings = [f"{key}=" for key in keys(DeviceConfig, "device")]
    print(script(args.shell, args.command_line, {"KEY=VALUE": settings}), end="")
    return 0
