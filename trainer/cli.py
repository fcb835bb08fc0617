"""The command line of `trainer`; a command imports heavy libraries when it runs, not for help."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from device.errors import EmotionEdgeError, os_error_sentence
from device.standard_streams import guarded
from trainer.config import TrainConfig, load_config

DEFAULT_CONFIG = Path("config.yaml")
RECIPES = Path(__file__).with_name("recipes")
SUBCOMMANDS = {
    "data": "describe a data set: counts, duplicates, blanks, a contact sheet",
    "teacher": "train a teacher",
    "distill": "train a student by distillation (and a teacher first, if there is none)",
    "answers": "keep what teachers say of many views, to distil from without them",
    "convert": "turn the newest student into an int8 .tflite with its card",
    "evaluate": "score a checkpoint or a .tflite on a split",
    "compare": "train and evaluate every network of the published studies, beside our own",
    "report": "draw plots and tables of a run, or compare several",
}
SAVED = {
    "teacher": "; every finished epoch is saved; continue with --resume",
    "distill": "; every finished epoch is saved; continue with --resume",
    "answers": "; every finished view is saved; continue with the same command",
    "compare": "; every finished epoch is saved; continue with the same command",
    "convert": "; no file was written",
}
DESCRIPTION = """Makes the network that the device runs.

  trainer distill --data fer2013.csv && trainer convert

trains a teacher, distils it into the student, and writes an int8 .tflite with its model card for the device.
Documentation: https://github.com/emotion-edge/emotion-edge/blob/main/docs/training.md"""


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The command line; only the module of `command` is imported, for its options."""
    common = argparse.ArgumentParser(add_help=False)
    source = common.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, metavar="F", help="config file (default: ./config.yaml if it exists)")
    source.add_argument(
        "--recipe",
        choices=recipes(),
        metavar="NAME",
        help=f"settings that come with the trainer: {', '.join(recipes())}",
    )
    common.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a setting"
    )
    common.add_argument("--data", metavar="D", help="fer2013.csv, image-folder tree, folder of contact sheets, or toy")
    common.add_argument("--runs", metavar="DIR", help="folder of the run folders (default: runs)")
    parser = argparse.ArgumentParser(
        "trainer", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in SUBCOMMANDS.items():
        sub = commands.add_parser(
            name, help=text, description=text.capitalize() + ".", parents=[common],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        if name == command:
            sub.set_defaults(command_run=_add_arguments(name, sub))
    return parser


def _add_arguments(name: str, parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, TrainConfig], int]:
    """Add the options of a subcommand's module; returns its `run`."""
    module = importlib.import_module(f"trainer.commands.{name}")
    module.add_arguments(parser)
    run: Callable[[argparse.Namespace, TrainConfig], int] = module.run
    return run


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 for success, 1 for failed work, 2 for wrong usage."""
    argv = sys.argv[1:] if argv is None else argv
    command = next((a for a in argv if a in SUBCOMMANDS), None)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with guarded():
            args = build_parser(command).parse_args(argv)
            return int(args.command_run(args, _config(args)))
    except BrokenPipeError:  # the reader of our output is gone
        return 1
    except EmotionEdgeError as error:
        print(f"trainer: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"trainer: {os_error_sentence(error)}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("device", "trainer"):  # our own mistake
            raise
        print(
            f"trainer: `trainer {command}` needs {error.name}, which is not installed; run: "
            "pip install 'emotion-edge[train]', or scripts/dev/venv train in a clone.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print(f"trainer: stopped{SAVED.get(command or '', '')}.", file=sys.stderr)
        return 1


def _config(args: argparse.Namespace) -> TrainConfig:
    path = args.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    if args.recipe is not None:
        path = RECIPES / f"{args.recipe}.yaml"
    config = load_config(path, args.overrides)
    named = {key: value for key, value in (("data", args.data), ("runs", args.runs)) if value is not None}
    return replace(config, **named)


def recipes() -> list[str]:
    """The names of the recipes."""
    return sorted(file.stem for file in RECIPES.glob("*.yaml"))


class _Version(argparse.Action):
    """`--version`; the version is looked up only when it is asked for, because that takes time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"emotion-edge {version('emotion-edge')}")
        parser.exit()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
