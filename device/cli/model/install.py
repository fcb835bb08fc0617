"""`device model install`: checks a model file and switches to it."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from device.cli.model.outcome import print_failure, print_success
from device.cli.options import add_config_options, add_json_option, load_settings
from device.errors import ModelError, StateError, UsageError

if TYPE_CHECKING:
    from device.model_registry.install import ModelFile
    from device.model_registry.registry import ModelStore

HELP = "check a model and switch to it"
DESCRIPTION = """\
Checks a model (signature, card, the accuracy in its card, its outputs and its
time for a face, in a process of its own) and switches to it. A running device
loads it within a second or two and watches it for device.model.trial_s. If it
fails or is too slow, the device goes back to the previous model by itself. The
`status` message reports the result."""
EPILOG = """\
examples:
  device model install new.tflite --wait 120
  device model install new.tflite --signature new.tflite.minisig
  sudo emotion-device model install - < new.tflite        on a board
  sudo emotion-device model install - --signature "$(cat new.tflite.minisig)" < new.tflite

The installed model runs only while device.model.path is null."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device model install`."""
    parser.add_argument("file", metavar="FILE", help="a .tflite with its card; - reads standard input")
    parser.add_argument("--signature", metavar="FILE|TEXT", help="the .minisig file, or its content")
    parser.add_argument("--allow-worse", action="store_true", help="even if the accuracy in its card is lower")
    parser.add_argument("--no-test", action="store_true", help="skip the test before the switch; the trial remains")
    parser.add_argument(
        "--wait", type=_seconds, metavar="SECONDS", help="wait for the result of the trial, at most this long"
    )
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Install the file, and wait for the result of its trial where that is asked for."""
    from device.model_registry.install import InstallOptions, install, installable

    config = load_settings(args)
    store = installable(config)
    changed = False
    try:
        changed = install(config, _model_file(args), InstallOptions(worse=args.allow_worse, untested=args.no_test))
        if args.wait is not None:
            _wait_for_verdict(store, args.wait)
    except ModelError as error:
        return print_failure(store.record(), changed, error, args.json)
    return print_success(store.record(), changed, args.json)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


_seconds.__name__ = "time in seconds"  # argparse prints "invalid time in seconds value"


def _model_file(args: argparse.Namespace) -> ModelFile:
    """The file to install, with its signature."""
    from device.model_registry.install import MAX_BYTES, ModelFile

    signature = args.signature
    if signature is not None and "\n" not in signature:  # the name of a file; a signature has several lines
        signature = _read(Path(signature), MAX_BYTES).decode(errors="replace")
    if args.file == "-":
        return ModelFile("standard input", sys.stdin.buffer.read(MAX_BYTES + 1), signature)
    return ModelFile(args.file, _read(Path(args.file), MAX_BYTES), signature)


def _read(path: Path, max_bytes: int) -> bytes:
    from device.bounded_file import read_bounded

    try:
        return read_bounded(path, max_bytes)
    except OSError as error:
        raise UsageError(
            f"{path}: the file cannot be read: {error.strerror}; pass a file that only root may read on standard input."
        ) from error


def _wait_for_verdict(store: ModelStore, timeout_s: float) -> None:
    from device.model_registry.install import verdict

    record = store.record()
    if not record.on_trial or record.current is None:
        return
    update = verdict(store, record.current, timeout_s)
    if update is None:
        raise StateError(
            f"the trial has no result after {timeout_s:g} s; does the device run, and does its camera give frames?"
        )
    if update.new.digest != record.current or update.state != "accepted":
        raise ModelError(f"the model was rolled back: {update.reason}.")
