"""Settings as dataclasses, read strictly from YAML and `key=value` overrides.

Both `device.config` and `trainer.config` declare their settings with this module. An error message
contains the file, the line, the full key, the value, and what is allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from device.config.setting_values import allowed, read_value
from device.config.yaml_text import compose, read_text
from device.errors import ConfigError
from device.plain_text import MAX_QUOTED, shown

__all__ = ["allowed", "from_dict", "keys", "load", "module_names", "section", "setting", "to_dict"]

T = TypeVar("T")

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
    node = compose(read_text(path), str(path)) if path is not None else None
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


def _where(source: str, node: yaml.Node) -> str:
    """`config.yaml, line 3`; an override has no line."""
    return source if source.startswith("--") else f"{source}, line {node.start_mark.line + 1}"


def _unknown(key: str, known: Iterable[str], where: str) -> str:
    known = list(known)
    near = difflib.get_close_matches(key.rsplit(".", 1)[-1][:MAX_QUOTED], [k.rsplit(".", 1)[-1] for k in known], n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}."
    return f"{where}: unknown setting {_shown(key)}; {hint}"


def _shown(name: str) -> str:
    """A name from a file, safe to print on one line."""
    return shown(name, MAX_QUOTED)


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
            values[key.value] = read_value(fields[key.value], hint, value, full, _where(source, value))
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
        node = compose(value, source) or yaml.ScalarNode("tag:yaml.org,2002:null", "")
    except ConfigError as error:
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
        value = read_value(fields[head], hint, node, full, _where(source, node))
    return typing.cast(T, dataclasses.replace(typing.cast(Any, config), **{head: value}))
