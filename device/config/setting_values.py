"""One value of a setting: its type, its bounds, and what is allowed in words."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
import unicodedata
from typing import Any

import yaml

from device.config.yaml_text import MAX_CHARACTERS
from device.errors import ConfigError
from device.plain_text import quoted

EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
CONTROLS = ("Cc", "Cs")  # Unicode's control characters, and halves of surrogate pairs
MAX_ITEMS = 1000  # of a list


def read_value(field: dataclasses.Field[Any], hint: Any, node: yaml.Node, full: str, where: str) -> Any:
    """One checked value of a scalar, an optional scalar, or a tuple of scalars.

    Args:
        field: declared with `device.config.loader.setting`.
        hint: its type.
        node: the value in the file.
        full: the setting's full name, for messages.
        where: file and line, for messages.

    Raises:
        ConfigError: it is not allowed.
    """
    try:
        raw = yaml.SafeLoader("").construct_document(node)
    except Exception as error:  # an unknown !tag, the 45th of May, `!!int ''`: PyYAML raises any type
        raise ConfigError(f"{where}: {full} cannot be read, but must be {allowed(hint, field)}.") from error
    if isinstance(raw, bool) and "true" in (field.metadata["choices"] or ()):
        raw = str(raw).lower()  # a word beside others, not YAML's truth value
    value = _typed(hint, raw)
    if value is _WRONG:
        raise ConfigError(f"{where}: {full} is {quoted(raw)}, but must be {allowed(hint, field)}.")
    items = value if isinstance(value, tuple) else (value,)
    if len(items) > MAX_ITEMS or not all(map(_is_clean, items)):
        raise ConfigError(
            f"{where}: {full} is {quoted(raw)}, but must be at most {MAX_CHARACTERS} characters without control "
            f"characters, and a list at most {MAX_ITEMS} items."
        )
    for item in items:
        if item is not None and not _within(field, item):
            raise ConfigError(f"{where}: {full} is {quoted(raw)}, but must be {allowed(hint, field)}.")
    return value


_WRONG = object()


def _typed(hint: Any, raw: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if raw is None:
            return None if type(None) in args else _WRONG
        return _typed(next(a for a in args if a is not type(None)), raw)
    if origin is tuple:
        items = [_typed(args[0], item) for item in raw] if isinstance(raw, list) else [_WRONG]
        fixed = args[-1] is not Ellipsis and len(items) != len(args)
        return _WRONG if fixed or any(i is _WRONG for i in items) else tuple(items)
    if hint is float:
        return _number(raw)
    if hint is int and isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    return raw if hint in (bool, str) and isinstance(raw, hint) else _WRONG


def _number(raw: Any) -> Any:
    """A finite float; `1e-3`, which YAML 1.1 takes for text because it has no point, is one too."""
    if isinstance(raw, bool) or (isinstance(raw, str) and not EXPONENT.fullmatch(raw)):
        return _WRONG
    try:
        value = float(raw)
    except (TypeError, ValueError, OverflowError):
        return _WRONG
    return value if math.isfinite(value) else _WRONG


def _is_clean(value: Any) -> bool:
    """Text that can be a path, be published and be shown, over several lines too."""
    if not isinstance(value, str):
        return True
    return len(value) <= MAX_CHARACTERS and not any(
        unicodedata.category(char) in CONTROLS and char not in "\n\t" for char in value
    )


def _within(field: dataclasses.Field[Any], value: Any) -> bool:
    choices, bounds = field.metadata["choices"], field.metadata["bounds"]
    if choices is not None and value not in choices:
        return False
    if not bounds:
        return True
    return bool(
        value >= bounds.get("ge", value)
        and value <= bounds.get("le", value)
        and ("gt" not in bounds or value > bounds["gt"])
        and ("lt" not in bounds or value < bounds["lt"])
    )


def _plain(bound: float) -> str:
    """A bound without an exponent where it is a whole number."""
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def allowed(hint: Any, field: dataclasses.Field[Any]) -> str:
    """What a setting may be, in words: "a whole number at least 1 and at most 65535"."""
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    args = [a for a in typing.get_args(hint) if a not in (type(None), Ellipsis)]
    word = words.get(args[0] if args else hint, "a list" if args else "a value")
    if typing.get_origin(hint) is tuple:
        word = f"a list, each item {word}"
    if field.metadata["choices"] is not None:
        word = "one of " + ", ".join(map(str, field.metadata["choices"]))
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = " and ".join(f"{signs[k]} {_plain(v)}" for k, v in field.metadata["bounds"].items())
    null = " (or null)" if type(None) in typing.get_args(hint) else ""
    return f"{word}{' ' + limits if limits else ''}{null}"
