"""`device model ...`: shows a model, installs one, lists those that are there, goes back to the one before."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.errors import EmotionEdgeError, ModelError, StateError, UsageError

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig
    from device.messages import ModelName, ModelUpdate
    from device.model_registry.registry import ModelStore, Record

Configured = Callable[[argparse.Namespace], "DeviceConfig"]

MODEL = """\
Prints what a model file says about itself: labels, input, quantisation,
metrics, where it comes from. Installs other models, lists and takes them back."""

MODEL_EPILOG = """\
examples:
  device model                          the card of the model in force
  device model new.tflite --json        of another one
  device model install new.tflite       run that one from now on, if it proves good
  device model list
  device model rollback"""

INSTALL = """\
Checks a model (signature, card, the accuracy it promises, its outputs and its
time for a face, tried in a process of its own) and switches to it. A device
that runs takes it within a second or two and watches it for
device.model.trial_s: one that fails or is too slow gives way to the model
before by itself. `status` says what came of it."""

INSTALL_EPILOG = """\
examples:
  device model install new.tflite --wait 120
  device model install new.tflite --signature new.tflite.minisig
  sudo emotion-device model install - < new.tflite        on a board
  sudo emotion-device model install - --signature "$(cat new.tflite.minisig)" < new.tflite

The model runs where device.model.path is null."""

LIST = """\
Lists the models of this device: the one in force, the one before it, the
bundled one; and what came of the last that was to be installed."""

ROLLBACK = """\
Goes back to the model before the one in force; again, to the bundled one. A
trial ends with it."""

ROLES = ("current", "previous", "bundled", "trial")  # of a model
VERBS = ("show", "install", "list", "rollback")


def with_verb(argv: Sequence[str]) -> Sequence[str]:
    """`device model FILE` means `device model show FILE`."""
    if argv[:1] != ["model"] or (len(argv) > 1 and argv[1] in (*VERBS, "-h", "--help")):
        return argv
    return ["model", "show", *argv[1:]]


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """What a verb takes beside --config, --set and --json."""
    if name == "show":
        parser.add_argument("path", nargs="?", type=Path, metavar="FILE", help="default: the model in force")
    if name == "install":
        parser.add_argument("file", metavar="FILE", help="a .tflite with its card; - reads standard input")
        parser.add_argument("--signature", metavar="FILE|TEXT", help="the .minisig file, or what is in it")
        parser.add_argument("--allow-worse", action="store_true", help="even if its card promises a lower accuracy")
        parser.add_argument("--no-test", action="store_true", help="do not try it first: only the trial is left")
        parser.add_argument(
            "--wait", type=_seconds, metavar="SECONDS", help="wait for the trial's verdict, at most so long"
        )


def show(args: argparse.Namespace, configured: Configured) -> int:
    """Print a card."""
    from device.cli.model_card_view import describe
    from device.inference.model_card import digest, read_card
    from device.model_registry.registry import model_path

    path = args.path or model_path(configured(args))
    card, sha256 = read_card(path), digest(path)
    if args.json:
        print(json.dumps({"file": str(path), "digest": sha256, "card": dataclasses.asdict(card)}, indent=2))
    else:
        print(describe(card, path, sha256))
    return 0


def install(args: argparse.Namespace, configured: Configured) -> int:
    """Install a file, and wait for the verdict if that is wanted."""
    from device.model_registry.install import InstallOptions, installable
    from device.model_registry.install import install as install_file

    config = configured(args)
    store = installable(config)
    changed = False
    try:
        changed = install_file(config, _file(args), InstallOptions(worse=args.allow_worse, untested=args.no_test))
        if args.wait is not None:
            _await_verdict(store, args.wait)
    except ModelError as error:
        return _failed(args, store, changed, error)
    return _done(args, store.record(), changed)


def rollback(args: argparse.Namespace, configured: Configured) -> int:
    """Go back to the model before."""
    from device.model_registry.install import installable

    store = installable(configured(args))
    if (current := store.record().current) is None:
        raise StateError("the bundled model is in force; there is none before it to go back to.")
    return _done(args, store.roll_back(current, "asked for with `device model rollback`"), True)


def list_models(args: argparse.Namespace, configured: Configured) -> int:
    """List the models of the device."""
    from device.model_registry.registry import open_store

    config = configured(args)
    record = open_store(config).record()
    models = _models(config)
    current, previous = (next((m["digest"] for m in models if role in m["roles"]), None) for role in ROLES[:2])
    if args.json:
        update = _plain(record.update)
        told = {"current": current, "previous": previous, "trial": record.on_trial, "update": update, "models": models}
        print(json.dumps(told, indent=2))
        return 0
    for model in models:
        accuracy = "" if model["accuracy"] is None else f"{model['accuracy']:.1%}"
        print(f"{model['digest'][:12]}  {model['name']} {model['version']}  {accuracy}  {', '.join(model['roles'])}")
    if record.update is not None:
        print(_sentence(record.update))
    return 0


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


_seconds.__name__ = "time in seconds"  # argparse says "invalid time in seconds value"


def _file(args: argparse.Namespace) -> Any:
    """What is to be installed, read."""
    from device.model_registry.install import MAX_BYTES, ModelFile

    text = args.signature
    if text is not None and "\n" not in text:  # else it is what the file holds
        text = _read(Path(text)).decode(errors="replace")
    if args.file == "-":
        return ModelFile("standard input", sys.stdin.buffer.read(MAX_BYTES + 1), text)
    return ModelFile(args.file, _read(Path(args.file)), text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: the file cannot be read: {error.strerror}; what only root may read can come by standard input."
        ) from error


def _await_verdict(store: ModelStore, patience_s: float) -> None:
    from device.model_registry.install import verdict

    record = store.record()
    if not record.on_trial or record.current is None:
        return
    update = verdict(store, record.current, patience_s)
    if update is None:
        raise StateError(
            f"no verdict came within {patience_s:g} s; does the device run, and does its camera give frames?"
        )
    if update.new.digest != record.current or update.state != "accepted":
        raise ModelError(f"the model was rolled back: {update.reason}.")


def _failed(args: argparse.Namespace, store: ModelStore, changed: bool, error: EmotionEdgeError) -> int:
    if args.json:
        print(json.dumps({"ok": False, "changed": changed, "update": _plain(store.record().update)}, indent=2))
    print(f"device: {error}", file=sys.stderr)
    return error.exit_code


def _done(args: argparse.Namespace, record: Record, changed: bool) -> int:
    if args.json:
        print(json.dumps({"ok": True, "changed": changed, "update": _plain(record.update)}, indent=2))
    elif not changed:
        print("this model is in force already")
    elif record.update is not None:
        print(_sentence(record.update))
    return 0


def _models(config: DeviceConfig) -> list[dict[str, Any]]:
    """Each model file once, with what it is to the device."""
    from device.model_registry.registry import model_path, name_of, open_store

    store = open_store(config)
    record = store.record()
    roles: dict[Path, list[str]] = {model_path(config): ["current"]}
    if record.current is not None and config.model.path is None:
        roles[store.path(record.previous)] = ["previous"]
    roles.setdefault(store.path(None), []).append("bundled")
    if record.on_trial:
        roles.setdefault(store.path(record.current), []).append("trial")
    return [
        {**dataclasses.asdict(name_of(path)), "roles": names, "file": str(path), "accuracy": _accuracy(path)}
        for path, names in roles.items()
    ]


def _accuracy(path: Path) -> float | None:
    from device.inference.model_card import read_card

    try:
        return next((one["accuracy"] for one in read_card(path).metrics if "accuracy" in one), None)
    except ModelError:
        return None


def _plain(update: ModelUpdate | None) -> Any:
    from device.messages import to_json

    return None if update is None else json.loads(to_json(update))


def _sentence(update: ModelUpdate) -> str:
    new, old = map(_named, (update.new, update.old))
    told = {
        "trial": f"{new} is on trial; before it ran {old}",
        "accepted": f"{new} has proved itself; before it ran {old}",
        "rolled_back": f"{new} gave way to {old}",
        "refused": f"{new} was refused; {old} stays",
    }[update.state]
    return told if update.reason is None else f"{told}: {update.reason.rstrip('.')}"


def _named(model: ModelName) -> str:
    known = "a file without a card" if model.name is None else f"{model.name} {model.version}"
    return f"{known} ({model.digest[:12]})"
