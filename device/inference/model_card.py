"""The contract between trainer and device: the metadata inside a .tflite.

The card is one JSON file, `model_card.json`, appended to the flatbuffer as a ZIP entry
(`device.inference.card_archive`). `device.inference.card_fields` declares what it holds, and
`device.inference.card_rules` bounds it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from pathlib import Path
from typing import Any

from device.errors import ModelError
from device.inference.card_archive import ENTRY, attach_text, network_checksum, read_model, read_text, strip
from device.inference.card_fields import (
    SCHEMA_VERSION,
    CropMargin,
    InputSpec,
    ModelCard,
    OperatingPoint,
    Quantisation,
)
from device.inference.card_rules import problems
from device.plain_text import quoted

__all__ = [
    "ENTRY",
    "CropMargin",
    "InputSpec",
    "ModelCard",
    "OperatingPoint",
    "Quantisation",
    "attach",
    "digest",
    "network_digest",
    "read_card",
    "strip",
]


def attach(model: bytes, card: ModelCard) -> bytes:
    """The model with the card inside, replacing any card it had.

    Args:
        model: a .tflite file's bytes.

    Returns:
        the same model, still a loadable .tflite, with `model_card.json` as a ZIP entry at its end.
    """
    return attach_text(model, json.dumps(dataclasses.asdict(card), indent=2, sort_keys=True))


def digest(path: Path) -> str:
    """sha256 of the file, hexadecimal.

    Raises:
        ModelError: the file cannot be read.
    """
    return hashlib.sha256(read_model(path)).hexdigest()


def network_digest(path: Path) -> str:
    """sha256 of the network alone: equal in copies of a model with different cards.

    Raises:
        ModelError: the file cannot be read.
    """
    return network_checksum(strip(read_model(path))).decode()


def read_card(path: Path) -> ModelCard:
    """Read and check the card of a .tflite.

    Raises:
        ModelError: no such file, not a .tflite, no card, or a card this version cannot use.
    """
    text = read_text(read_model(path), str(path))
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: nested a thousand times
        raise ModelError(
            f"{path}: the model card is not valid JSON; make the file again with `trainer convert`."
        ) from error
    return _card(values, str(path))


def _card(values: Any, where: str) -> ModelCard:
    if not isinstance(values, dict):
        raise ModelError(f"{where}: the model card must be a JSON object.")
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"{where}: the model card has schema_version {quoted(version)}, this device reads {SCHEMA_VERSION}; "
            "update emotion-edge or convert the model again."
        )
    card = typing.cast(ModelCard, _build(ModelCard, values, where, "card"))
    for problem, present in problems(card).items():
        if present:
            raise ModelError(f"{where}: the model card cannot be honoured: {problem}.")
    return card


def _build(cls: Any, values: Any, where: str, key: str) -> Any:
    """Build a dataclass from JSON: unknown keys are ignored, missing ones need a default."""
    if not isinstance(values, dict):
        raise ModelError(f"{where}: {key} in the model card must be a JSON object.")
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        if f.name in values:
            known[f.name] = _typed(hints[f.name], values[f.name], where, f"{key}.{f.name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ModelError(f"{where}: the model card lacks {key}.{f.name}.")
    return cls(**known)


def _typed(hint: Any, value: Any, where: str, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where, key)
    origin = typing.get_origin(hint) or hint
    if origin is tuple and isinstance(value, list):
        item = typing.get_args(hint)[0]
        return tuple(_typed(item, v, where, f"{key}[{i}]") for i, v in enumerate(value))
    if origin is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _float(value)
    if origin is tuple or not isinstance(value, origin) or (origin is int and isinstance(value, bool)):
        raise ModelError(f"{where}: {key} in the model card is {quoted(value)}, which is of the wrong type.")
    return value


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer with hundreds of digits
        return float("inf")
