"""`device model`: shows, installs and lists models, and rolls back; one module a subcommand."""

from __future__ import annotations

from device.cli.model import install, list_models, rollback, show
from device.cli.parser import CommandParser

COMMANDS = {"show": show, "install": install, "list": list_models, "rollback": rollback}
HELP = "a model's card; install, list, roll back"
DESCRIPTION = """\
Prints the card of a model file: labels, input, quantisation, metrics, origin.
Installs another model, lists the installed ones, rolls back to the previous."""
EPILOG = """\
examples:
  device model                          the card of the model in force
  device model new.tflite --json        the card of a file
  device model install new.tflite       check a model and switch to it
  device model list
  device model rollback"""


def add_arguments(parser: CommandParser) -> None:
    """The subcommands; `show` is meant where none is named."""
    parser.add_commands(COMMANDS, "VERB", default="show")


run = show.run
