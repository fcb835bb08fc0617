"""Settings written out as YAML, each with its meaning and bounds: config.yaml and `check-config --print`."""

from __future__ import annotations

import dataclasses
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from device.config.loader import allowed

WIDTH = 120  # columns of a comment line


def render(sections: Mapping[str, Any], advanced: bool = False) -> str:
    """YAML text of settings that `device.config.loader.load` reads back to the same values.

    Args:
        sections: top-level key ("device", "trainer") -> an instance of its dataclass.
    """
    return "\n".join(line for name, config in sections.items() for line in _section(name, config))


def _section(name: str, config: Any) -> Iterator[str]:
    """A top-level key and everything under it, with an empty line after."""
    yield from _comment(_summary(config), "")
    yield f"{name}:"
    yield from _body(config, "  ")
    yield ""


def _body(config: Any, indent: str) -> Iterator[str]:
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not field.metadata.get("shown", True):
            continue
        if dataclasses.is_dataclass(value):
            yield ""
            yield from _comment(_summary(value), indent)
            yield f"{indent}{field.name}:"
            yield from _body(value, indent + "  ")
        else:
            yield from _comment(_meaning(field, hints[field.name]), indent)
            yield f"{indent}{field.name}: {_scalar(value)}"


def _summary(config: Any) -> str:
    return (type(config).__doc__ or "").strip().splitlines()[0]


def _meaning(field: dataclasses.Field[Any], hint: Any) -> str:
    """The setting's line of documentation; what it may be is added where the value beside it does not tell."""
    told = hint in (bool, str) and field.metadata["choices"] is None
    return str(field.metadata["doc"]) if told else f"{field.metadata['doc']} [{allowed(hint, field)}]"


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(text, WIDTH - len(indent), break_on_hyphens=False):
        yield f"{indent}# {line}"


def _scalar(value: Any) -> str:
    """One value as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def changes(config: Any, name: str) -> dict[str, tuple[Any, Any]]:
    """The settings that differ from the defaults: full key, as `--set` takes it -> (value, default)."""
    found: dict[str, tuple[Any, Any]] = {}
    for field in dataclasses.fields(config):
        key, value = f"{name}.{field.name}", getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= changes(value, key)
        elif value != field.default:
            found[key] = (value, field.default)
    return found
