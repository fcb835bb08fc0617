"""Checks messages that others may have published: nobody knows what a broker delivers.

What may stand in a message is what its dataclass declares: types, bounds, nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from typing import Any

from device.plain_text import shown

MAX_BYTES = 32_768  # of a payload; a status has about 1,000
MAX_TEXT = 400  # characters of a text; a longer one is cut
MAX_ITEMS = 64  # of a list or of an object with free keys
MAX_INTEGER = 2**53  # JSON's numbers are exact up to here

Reader = Callable[[Any], Any]


class InvalidMessageError(ValueError):
    """The payload is not a message of this kind."""


def parse_message(cls: type, payload: bytes, lenient: bool = False) -> dict[str, Any]:
    """The fields of a message that `cls` declares, as plain values of JSON.

    A field that is missing gets its default, for messages of older versions. Other fields are left
    out. Text is made safe to show, and cut.

    Args:
        cls: a dataclass whose fields are declared with `documented`.
        payload: what arrived.
        lenient: for boards of any version: a value that is missing or not what its field declares
            is None, and any text may stand where certain words are declared.

    Raises:
        InvalidMessageError: it is too large or no JSON object; or, unless `lenient`, a value is not
            what its field declares.
    """
    if len(payload) > MAX_BYTES:
        raise InvalidMessageError("too large")
    try:
        fields: dict[str, Any] = _object_reader(cls, lenient)(json.loads(payload))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested too deeply
        raise InvalidMessageError(str(error)) from error
    return fields


@functools.cache
def _object_reader(cls: type, lenient: bool) -> Reader:
    """Build, once for each class, the function that checks its fields."""
    hints = typing.get_type_hints(cls)
    readers = [(field, _reader(hints[field.name], field.metadata, lenient)) for field in dataclasses.fields(cls)]

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidMessageError("no object")
        return {field.name: _field(value, field, reader, lenient) for field, reader in readers}

    return read


def _field(values: dict[str, Any], field: dataclasses.Field[Any], reader: Reader, lenient: bool) -> Any:
    """The value of a field, or its default; the default of a list or an object is none here."""
    value = values.get(field.name, field.default)
    try:
        if value is dataclasses.MISSING:
            raise InvalidMessageError(f"{field.name} is missing")
        return reader(value)
    except InvalidMessageError:
        if not lenient:
            raise
        return None


def _reader(hint: Any, metadata: typing.Mapping[str, Any], lenient: bool) -> Reader:
    """The function that checks a value of this type, within the bounds of its field."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return _anything
    if origin in (types.UnionType, typing.Union):  # in messages: a type, or None
        (known,) = (part for part in inner if part is not types.NoneType)
        reader = _reader(known, metadata, lenient)
        return lambda value: None if value is None else reader(value)
    if origin is typing.Literal:
        return functools.partial(_text, metadata) if lenient else lambda value: _one_of(value, inner)
    if origin is dict:
        return functools.partial(_dict, _reader(inner[1], metadata, lenient))
    if origin is tuple:
        size = None if inner[1:] == (...,) else len(inner)
        return functools.partial(_list, _reader(inner[0], metadata, lenient), size)
    if dataclasses.is_dataclass(hint):
        return _object_reader(typing.cast(type, hint), lenient)
    return functools.partial(_SIMPLE[hint], metadata)


def _number(metadata: typing.Mapping[str, Any], value: Any) -> float | int:
    low, high = metadata.get("ge"), metadata.get("le")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidMessageError("no number")
    if not abs(value) <= MAX_INTEGER or (low is not None and value < low) or (high is not None and value > high):
        raise InvalidMessageError("a number out of its bounds")
    return value


def _integer(metadata: typing.Mapping[str, Any], value: Any) -> int:
    number = _number(metadata, value)
    if number != int(number):
        raise InvalidMessageError("no whole number")
    return int(number)


def _boolean(metadata: typing.Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidMessageError("neither true nor false")
    return value


def _text(metadata: typing.Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidMessageError("no text")
    return shown(value, MAX_TEXT)


_SIMPLE: dict[Any, Callable[[typing.Mapping[str, Any], Any], Any]] = {
    bool: _boolean,
    int: _integer,
    float: _number,
    str: _text,
}


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidMessageError("none of the words allowed")
    return value


def _dict(reader: Reader, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_ITEMS:
        raise InvalidMessageError("no object, or too many keys")
    return {shown(key, MAX_TEXT): reader(item) for key, item in value.items()}


def _list(reader: Reader, size: int | None, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)) or len(value) > MAX_ITEMS or size not in (None, len(value)):
        raise InvalidMessageError("no list, or of another length")
    return [reader(item) for item in value]


def _anything(value: Any) -> Any:
    """A value of any type: text made safe, everything bounded."""
    if isinstance(value, dict):
        return _dict(_anything, value)
    if isinstance(value, list):
        return _list(_anything, None, value)
    if isinstance(value, str):
        return _text({}, value)
    return value if value is None or isinstance(value, bool) else _number({}, value)
