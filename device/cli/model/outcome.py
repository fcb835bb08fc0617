"""Prints the result of an installation or a rollback."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from device.plain_text import shown

if TYPE_CHECKING:
    from device.errors import EmotionEdgeError
    from device.messages import ModelName, ModelUpdate
    from device.model_registry.registry import Record


def print_success(record: Record, changed: bool, json_wanted: bool) -> int:
    """Print what happened; returns the exit code."""
    if json_wanted:
        print(json.dumps({"ok": True, "changed": changed, "update": as_json(record.update)}, indent=2))
    elif not changed:
        print("this model is in force already")
    elif record.update is not None:
        print(sentence(record.update))
    return 0


def print_failure(record: Record, changed: bool, error: EmotionEdgeError, json_wanted: bool) -> int:
    """Print why it failed; returns the exit code."""
    if json_wanted:
        print(json.dumps({"ok": False, "changed": changed, "update": as_json(record.update)}, indent=2))
    print(f"device: {shown(str(error))}", file=sys.stderr)
    return error.exit_code


def as_json(update: ModelUpdate | None) -> Any:
    """The result of an installation as plain values for JSON."""
    from device.message_json import to_json

    return None if update is None else json.loads(to_json(update))


def sentence(update: ModelUpdate) -> str:
    """The result of an installation in words."""
    new, old = map(_model_name, (update.new, update.old))
    text = {
        "trial": f"{new} is on trial; the previous model is {old}",
        "accepted": f"{new} passed its trial; the previous model is {old}",
        "rolled_back": f"{new} was rolled back to {old}",
        "refused": f"{new} was refused; {old} stays",
    }[update.state]
    return text if update.reason is None else f"{text}: {update.reason.rstrip('.')}"


def _model_name(model: ModelName) -> str:
    known = "a file without a card" if model.name is None else f"{model.name} {model.version}"
    return f"{known} ({model.digest[:12]})"
