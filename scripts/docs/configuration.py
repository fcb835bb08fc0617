"""The page docs/configuration.md: every setting of both programs, a table a group."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from device.config.loader import allowed
from device.config.yaml_writer import scalar, summary

UNITS = {"s": "s", "ms": "ms", "px": "pixels", "bytes": "bytes", "deg": "degrees", "epochs": "epochs"}
HEAD = """\
# Configuration

Every setting of `config.yaml`, made from the code by `scripts/docs/config_yaml.py`. What a file
leaves out keeps its default. Settings marked *advanced* are not in `config.yaml`, but are accepted
there and with `--set` like all others. `device check-config --all` prints those of the device with
their values in force. Why the settings are read so strictly: [decisions/settings.md](decisions/settings.md).
"""


def page(programs: Mapping[str, type]) -> str:
    """The page.

    Args:
        programs: top-level key ("device", "trainer") -> its dataclass.
    """
    return "\n".join([HEAD, *(line for name, cls in programs.items() for line in _program(name, cls))])


def _program(name: str, cls: type) -> Iterator[str]:
    groups: dict[type, dict[str, Any]] = {}
    advanced: set[str] = set()
    for key, default, is_advanced in _groups(name, cls(), False):
        groups.setdefault(type(default), {})[key] = default
        advanced |= {key} if is_advanced else set()
    for group, places in groups.items():  # one table for a group that stands in several places
        yield f"{'##' if [*places] == [name] else '###'} {', '.join(f'`{key}`' for key in places)}\n"
        yield f"{summary(group)}\n"
        yield from _table(group, places, all(key in advanced for key in places))
        yield ""


def _groups(key: str, default: Any, advanced: bool) -> Iterator[tuple[str, Any, bool]]:
    """Every group by its key, with its default values, and whether all of it is advanced."""
    yield key, default, advanced
    for field in dataclasses.fields(default):
        value = getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            yield from _groups(f"{key}.{field.name}", value, advanced or field.metadata["advanced"])


def _table(cls: type, places: Mapping[str, Any], advanced: bool) -> Iterator[str]:
    yield "| key | allowed | default | unit | meaning |"
    yield "|---|---|---|---|---|"
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if not dataclasses.is_dataclass(hints[field.name]):
            yield _row(field, hints[field.name], places, advanced or field.metadata["advanced"])


def _row(field: dataclasses.Field[Any], hint: Any, places: Mapping[str, Any], advanced: bool) -> str:
    _, separator, suffix = field.name.rpartition("_")
    unit = UNITS.get(suffix, "") if separator else ""
    meaning = f"{'*advanced*: ' if advanced else ''}{field.metadata['doc']}".replace("|", "\\|")
    return f"| `{field.name}` | {allowed(hint, field)} | {_default(field.name, places)} | {unit} | {meaning} |"


def _default(name: str, places: Mapping[str, Any]) -> str:
    """The default of a setting; where it differs between the group's places, that of each."""
    values = {key: f"`{scalar(getattr(default, name))}`" for key, default in places.items()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{value} ({key.split('.')[-2]})" for key, value in values.items())
