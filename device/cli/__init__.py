"""The `device` command: one module a subcommand."""

from device.cli.app import main

__all__ = [
    "main",
]
