"""Settings as dataclasses, read strictly from YAML and `key=value` overrides.

Both `device.config` and `trainer.config` declare their settings with this module. An error message
contains the file, the line, the full key, the value, and what is allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from device.errors import ConfigError

T = TypeVar("T")

EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
SECTIONS = ("device", "trainer")  # one config.yaml may serve both programs


def setting(
    default: Any,
    doc: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: Sequence[str] | Sequence[int] | None = None,
    advanced: bool = False,
) -> Any:
    """Declare one setting.

    Args:
        default: its value where nothing else is set.
        doc: its meaning in one line, for config.yaml and docs/configuration.md.
        ge, gt, le, lt: bounds of a number, or of each number in a tuple.
        choices: the only values allowed.
        advanced: few people change it, so config.yaml leaves it out.
    """
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    metadata = {"doc": doc, "bounds": bounds, "choices": choices, "advanced": advanced}
    return dataclasses.field(default=default, metadata=metadata)


def module_names(*room: str) -> tuple[str, ...]:
    """Names of the modules in a folder of the device; a new module is a new choice."""
    folder = Path(__file__).parents[1].joinpath(*room)
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


def section(cls: type[T], advanced: bool = False, **defaults: Any) -> T:
    """Declare a group of settings, all advanced if it is; `defaults` replace those of its class."""
    return dataclasses.field(default_factory=lambda: cls(**defaults), metadata={"advanced": advanced})


def load(cls: type[T], name: str, path: Path | None = None, overrides: Iterable[str] = ()) -> T:
    """Read section `name` of a YAML file into `cls`, then apply overrides.

    Args:
        cls: a dataclass declared with `setting` and `section`.
        name: the top-level key that belongs to `cls`, "device" or "trainer".
        path: the YAML file; None takes the defaults.
        overrides: strings such as "device.mqtt.port=1884"; the value is read as YAML.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or holds a setting that is not allowed.
    """
    node = _read(path) if path is not None else None
    config = cls()
    if node is not None:
        for key, value in _pairs(node, str(path)):
            if key.value == name:
                config = _build(config, value, name, str(path))
            elif key.value not in SECTIONS:
                raise ConfigError(_unknown(key.value, SECTIONS, _where(str(path), key)))
    for text in overrides:
        config = _override(config, text, name)
    return config


def keys(cls: type, name: str) -> Iterator[str]:
    """The full name of every setting, such as device.mqtt.port."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from keys(hints[field.name], f"{name}.{field.name}")
        else:
            yield f"{name}.{field.name}"


def to_dict(config: Any) -> dict[str, Any]:
    """The settings as plain values that YAML and JSON can hold."""
    plain = dataclasses.asdict(config)
    return typing.cast(dict[str, Any], _listify(plain))


def from_dict(cls: type[T], values: dict[str, Any], name: str, where: str) -> T:
    """Build settings from the values of `to_dict`, for example those of a checkpoint."""
    return _build(cls(), typing.cast(yaml.Node, yaml.compose(yaml.safe_dump(values))), name, where)


def _listify(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _listify(v) for k, v in value.items()}
    return [_listify(v) for v in value] if isinstance(value, (tuple, list)) else value


def _read(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: the config cannot be read: {reason}.") from error
    try:
        return yaml.compose(text)
    except RecursionError as error:
        raise ConfigError(f"{path}: the config is nested too deeply to be read.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"{path}{line}: this is not valid YAML: {problem}.") from error


def _where(source: str, node: yaml.Node) -> str:
    """`config.yaml, line 3`; an override has no line."""
    return source if source.startswith("--") else f"{source}, line {node.start_mark.line + 1}"


def _unknown(key: str, known: Iterable[str], where: str) -> str:
    known = list(known)
    near = difflib.get_close_matches(key.rsplit(".", 1)[-1], [k.rsplit(".", 1)[-1] for k in known], n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}."
    return f"{where}: unknown setting {_shown(key)}; {hint}"


def _shown(name: str) -> str:
    """A name from a file, safe to print on one line."""
    return name if name.isprintable() else ascii(name)


def _pairs(node: yaml.Node, source: str) -> list[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{_where(source, key)}: the name of a setting is expected before the colon.")
            if key.value in seen:
                raise ConfigError(f"{_where(source, key)}: {_shown(key.value)} is set twice; keep one of the two.")
            seen.add(key.value)
        return typing.cast(list[tuple[yaml.Node, yaml.Node]], node.value)
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
        return []
    raise ConfigError(f"{_where(source, node)}: settings (key: value) are expected here.")


def _build(default: T, node: yaml.Node, prefix: str, source: str) -> T:
    """One dataclass from one YAML mapping; what the mapping leaves out keeps its default."""
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, default))}
    hints = typing.get_type_hints(type(default))
    values: dict[str, Any] = {}
    for key, value in _pairs(node, source):
        full = f"{prefix}.{key.value}"
        if key.value not in fields:
            raise ConfigError(_unknown(full, fields, _where(source, key)))
        hint = hints[key.value]
        if dataclasses.is_dataclass(hint):
            values[key.value] = _build(getattr(default, key.value), value, full, source)
        else:
            values[key.value] = _value(fields[key.value], hint, value, full, source)
    return typing.cast(T, dataclasses.replace(typing.cast(Any, default), **values))


def _override(config: T, text: str, name: str) -> T:
    source = "--set"
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2:
        raise ConfigError(
            f"--set {_shown(text)}: write {name}.group.key=value, for example --set device.mqtt.port=1884."
        )
    if parts[0] != name:
        raise ConfigError(_unknown(key, [name], source))
    try:
        node = yaml.compose(value) or yaml.ScalarNode("tag:yaml.org,2002:null", "")
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"--set {_shown(text)}: the value is not valid YAML.") from error
    return _replaced(config, parts[1:], node, name, source)


def _replaced(config: T, parts: list[str], node: yaml.Node, prefix: str, source: str) -> T:
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, config))}
    head, full = parts[0], f"{prefix}.{parts[0]}"
    if head not in fields:
        raise ConfigError(_unknown(full, fields, source))
    hint = typing.get_type_hints(type(config))[head]
    if dataclasses.is_dataclass(hint):
        if len(parts) == 1:
            inner = ", ".join(f.name for f in dataclasses.fields(hint))
            raise ConfigError(f"{source}: {full} is a group; set one of its keys: {inner}.")
        value = _replaced(getattr(config, head), parts[1:], node, full, source)
    elif len(parts) > 1:
        raise ConfigError(f"{source}: {full} is a single setting and has no key {_shown('.'.join(parts[1:]))}.")
    else:
        value = _value(fields[head], hint, node, full, source)
    return typing.cast(T, dataclasses.replace(typing.cast(Any, config), **{head: value}))


def _value(field: dataclasses.Field[Any], hint: Any, node: yaml.Node, full: str, source: str) -> Any:
    """One checked value of a scalar, an optional scalar, or a tuple of scalars."""
    where = _where(source, node)
    try:
        raw = yaml.SafeLoader("").construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # an unknown !tag, the 45th of May
        raise ConfigError(f"{where}: {full} cannot be read, but must be {allowed(hint, field)}.") from error
    if isinstance(raw, bool) and "true" in (field.metadata["choices"] or ()):
        raw = str(raw).lower()  # a word beside others, not YAML's truth value
    value = _typed(hint, raw)
    if value is _WRONG:
        raise ConfigError(f"{where}: {full} is {raw!r}, but must be {allowed(hint, field)}.")
    items = value if isinstance(value, tuple) else (value,)
    for item in items:
        if item is not None and not _within(field, item):
            raise ConfigError(f"{where}: {full} is {raw!r}, but must be {allowed(hint, field)}.")
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


def _within(field: dataclasses.Field[Any], value: Any) -> bool:
    choices, bounds = field.metadata["choices"], field.metadata["bounds"]
    if choices is not None and value not in choices:
        return False
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
