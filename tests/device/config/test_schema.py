"""The device's settings, and the config.yaml that shows them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from device.config.loader import load
from device.config.schema import DeviceConfig, load_config
from scripts.docs.config_yaml import CONFIG, current


def settings_of(cls: Any, prefix: str) -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from settings_of(hints[field.name], f"{prefix}.{field.name}")
        else:
            yield f"{prefix}.{field.name}", hints[field.name], field


SETTINGS = list(settings_of(DeviceConfig, "device"))


def test_config_yaml_is_current() -> None:
    assert CONFIG.read_text(encoding="utf-8") == current(), "run: .venv/bin/python scripts/docs/config_yaml.py"


def test_config_yaml_shows_the_defaults_of_the_device() -> None:
    assert load_config(CONFIG) == DeviceConfig()


@pytest.mark.parametrize(("key", "hint", "field"), SETTINGS, ids=[key for key, _, _ in SETTINGS])
def test_every_setting_says_what_it_means_and_has_a_default_it_allows(
    key: str, hint: Any, field: dataclasses.Field[Any]
) -> None:
    assert field.metadata["doc"]
    default = field.default
    value = "null" if default is None else str(list(default) if isinstance(default, tuple) else default)
    load(DeviceConfig, "device", None, [f"{key}={value}"])


@pytest.mark.parametrize(("key", "hint", "field"), SETTINGS, ids=[key for key, _, _ in SETTINGS])
def test_every_number_has_a_lower_bound(key: str, hint: Any, field: dataclasses.Field[Any]) -> None:
    if hint in (int, float):
        assert {"ge", "gt"} & set(field.metadata["bounds"]), key
