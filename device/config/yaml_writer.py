"""Writes settings as YAML, each with its meaning and bounds: config.yaml, `device check-config`."""

from __future__ import annotations

import dataclasses
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from device.config.loader import allowed

WIDTH = 100  # columns of a comment line


def render(sections: Mapping[str, Any], advanced: bool = False) -> str:
    """YAML text of settings that `device.config.loader.load` reads back to the same values.

    Args:
        sections: top-level key ("device", "trainer") -> an instance of its dataclass.
        advanced: write the advanced settings too; without it, only those that differ from their
            defaults are written.
    """
    return "\n".join(line for name, config in sections.items() for line in _section(name, config, advanced))


def _section(name: str, config: Any, advanced: bool) -> Iterator[str]:
    """A top-level key and everything under it, with an empty line after."""
    yield from _comment(summary(type(config)), "")
    yield f"{name}:"
    yield from _body(config, type(config)(), "  ", advanced)
    yield ""


def _body(config: Any, default: Any, indent: str, advanced: bool, main: bool = True) -> Iterator[str]:
    """The lines of a group; `main` is False below an advanced one."""
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        shown = main and not field.metadata["advanced"]
        if dataclasses.is_dataclass(value):
            lines = list(_body(value, usual, indent + "  ", advanced, shown))
            if lines:
                yield ""
                yield from _comment(summary(type(value)), indent)
                yield f"{indent}{field.name}:"
                yield from lines
        elif shown or advanced or value != usual:
            yield from _comment(_meaning(field, hints[field.name]), indent)
            yield f"{indent}{field.name}: {scalar(value)}"


def summary(cls: type) -> str:
    """What a group is about: the first line of its docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]


def _meaning(field: dataclasses.Field[Any], hint: Any) -> str:
    """The meaning of a setting; what is allowed follows unless the type of the value shows it."""
    obvious = hint in (bool, str) and field.metadata["choices"] is None
    return str(field.metadata["doc"]) if obvious else f"{field.metadata['doc']} [{allowed(hint, field)}]"


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(text, WIDTH - len(indent) - 2, break_on_hyphens=False):
        yield f"{indent}# {line}"


def scalar(value: Any) -> str:
    """One value as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def changes(config: Any, name: str, default: Any = None) -> dict[str, tuple[Any, Any]]:
    """The settings that differ from the defaults: full key -> (value, default).

    Args:
        config: the settings.
        name: of their group.
        default: what to compare with; None takes the defaults of the group's class.
    """
    found: dict[str, tuple[Any, Any]] = {}
    default = type(config)() if default is None else default
    for field in dataclasses.fields(config):
        key, value, usual = f"{name}.{field.name}", getattr(config, field.name), getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            found |= changes(value, key, usual)
        elif value != usual:
            found[key] = (value, usual)
    return found
