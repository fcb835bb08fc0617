"""`device model list`: lists the models of this device."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.cli.model.outcome import as_json, sentence
from device.cli.options import add_config_options, add_json_option, load_settings
from device.errors import ModelError

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig

HELP = "the models of this device"
DESCRIPTION = """\
Lists the models of this device: the current, the previous and the bundled one,
and the result of the last installation."""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device model list`."""
    add_config_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the models, one a line, and the result of the last installation."""
    from device.model_registry.registry import open_store

    config = load_settings(args)
    record = open_store(config).record()
    models = _models(config)
    if args.json:
        current, previous = (
            next((model["digest"] for model in models if role in model["roles"]), None)
            for role in ("current", "previous")
        )
        result = {"current": current, "previous": previous, "trial": record.on_trial}
        print(json.dumps(result | {"update": as_json(record.update), "models": models}, indent=2))
        return 0
    for model in models:
        accuracy = "" if model["accuracy"] is None else f"{model['accuracy']:.1%}"
        print(f"{model['digest'][:12]}  {model['name']} {model['version']}  {accuracy}  {', '.join(model['roles'])}")
    if record.update is not None:
        print(sentence(record.update))
    return 0


def _models(config: DeviceConfig) -> list[dict[str, Any]]:
    """Each model file once, with its roles: current, previous, bundled, trial."""
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
