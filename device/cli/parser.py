"""Builds the command line from modules that hold one command each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Protocol


class Command(Protocol):
    """What the module of a command holds."""

    HELP: str  # its line in the list of commands
    DESCRIPTION: str  # above the options in its own help
    EPILOG: str  # below them: examples

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the command's options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work; returns the exit code."""


class CommandParser(argparse.ArgumentParser):
    """A parser whose texts keep their line breaks, and which can have commands.

    One command may be the default. Arguments that do not begin with the name of a command then
    belong to it: `device model FILE` is `device model show FILE`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.commands: dict[str, CommandParser] = {}
        self.default_command: str | None = None

    def add_commands(self, modules: Mapping[str, Command], metavar: str, default: str | None = None) -> None:
        """Give each command a parser of its own, whose `run` ends up in the parsed arguments.

        Args:
            modules: name of a command -> the module that holds it.
            metavar: stands for the name of a command in the usage line.
            default: the command that is meant where none is named.
        """
        group = self.add_subparsers(title="commands", metavar=metavar, required=True)
        for name, module in modules.items():
            parser = group.add_parser(name, help=module.HELP, description=module.DESCRIPTION, epilog=module.EPILOG)
            parser.set_defaults(run=module.run)
            module.add_arguments(parser)
            self.commands[name] = parser
        self.default_command = default

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; the default command's parser takes what does not name a command."""
        if self.default_command is None or (args and args[0] in (*self.commands, "-h", "--help")):
            return super().parse_known_args(args, namespace)
        return self.commands[self.default_command].parse_known_args(args, namespace)
