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
    groups: dict[type, list[str]] = {}
    advanced: set[str] = set()
    for key, group, is_advanced in _groups(name, cls, False):
        groups.setdefault(group, []).append(key)
        advanced |= {key} if is_advanced else set()
    for group, keys in groups.items():  # one table for a group that stands in several places
        yield f"{'##' if keys == [name] else '###'} {', '.join(f'`{key}`' for key in keys)}\n"
        yield f"{summary(group)}\n"
        yield from _table(group, all(key in advanced for key in keys))
        yield ""


def _groups(key: str, cls: type, advanced: bool) -> Iterator[tuple[str, type, bool]]:
    yield key, cls, advanced
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from _groups(f"{key}.{field.name}", hints[field.name], advanced or field.metadata["advanced"])


def _table(cls: type, advanced: bool) -> Iterator[str]:
    yield "| key | allowed | default | unit | meaning |"
    yield "|---|---|---|---|---|"
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if not dataclasses.is_dataclass(hints[field.name]):
            yield _row(field, hints[field.name], advanced or field.metadata["advanced"])


def _row(field: dataclasses.Field[Any], hint: Any, advanced: bool) -> str:
    _, separator, suffix = field.name.rpartition("_")
    unit = UNITS.get(suffix, "") if separator else ""
    meaning = f"{'*advanced*: ' if advanced else ''}{field.metadata['doc']}".replace("|", "\\|")
    return f"| `{field.name}` | {allowed(hint, field)} | `{scalar(field.default)}` | {unit} | {meaning} |"
