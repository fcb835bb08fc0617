"""Fields that are documented where they are declared, and their JSON."""

from __future__ import annotations

import dataclasses
import json
import numbers
from typing import Any


def documented(
    doc: str,
    *,
    digits: int = 4,
    ge: float | None = None,
    le: float | None = None,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
    optional: bool = False,
    counter: bool = False,
) -> Any:
    """Declare one field of a message.

    Args:
        doc: the meaning; it becomes the description in the schema and the help of the metric.
        digits: decimals of a float in the JSON.
        ge, le: lower and upper bound, included.
        default, default_factory: as of `dataclasses.field`.
        optional: a received message may omit the field.
        counter: the figure only grows; its metric is then a counter, else a gauge.
    """
    metadata = {"doc": doc, "digits": digits, "ge": ge, "le": le, "optional": optional, "counter": counter}
    if default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class JsonMessage:
    """Base of the dataclasses that are published as JSON."""

    def to_json(self) -> str:
        """Serialize the message as one line of JSON."""
        return to_json(self)


def to_json(message: Any) -> str:
    """Serialize a message as one line of JSON, each float with the decimals its field declares."""
    return json.dumps(_plain(message, 4), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any, digits: int) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name), f.metadata["digits"]) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item, digits) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item, digits) for item in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):  # also numpy's, which json cannot serialize
        return int(value)
    return round(float(value), digits or None)
