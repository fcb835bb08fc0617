"""The device's settings, and the config.yaml that shows them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from device.config.loader import keys, load, section, setting
from device.config.schema import DeviceConfig, TrackerConfig, load_config
from device.config.yaml_writer import render
from device.inference import PROFILES, read_card
from scripts.docs.config_yaml import CONFIG, PAGE, current, current_page
from scripts.docs.configuration import page


def settings_of(cls: Any, prefix: str) -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from settings_of(hints[field.name], f"{prefix}.{field.name}")
        else:
            yield f"{prefix}.{field.name}", hints[field.name], field


MAIN = [key for key, _, field in settings_of(DeviceConfig, "device") if not field.metadata["advanced"]]
SETTINGS = list(settings_of(DeviceConfig, "device"))


def test_config_yaml_is_current() -> None:
    assert CONFIG.read_text(encoding="utf-8") == current(), "run: .venv/bin/python -m scripts.docs.config_yaml"
    assert PAGE.read_text(encoding="utf-8") == current_page(), "run the same"


def test_config_yaml_can_be_read_in_one_sitting() -> None:
    assert 20 <= len(MAIN) <= 30
    assert len(CONFIG.read_text(encoding="utf-8").splitlines()) < 200


def test_all_settings_are_written_where_that_is_asked_for() -> None:
    text = render({"device": DeviceConfig()}, advanced=True)
    assert {key for key, _, _ in SETTINGS} == set(keys(DeviceConfig, "device"))
    assert all(f" {key.rsplit('.', 1)[1]}: " in text for key, _, _ in SETTINGS)


@dataclasses.dataclass(frozen=True)
class MoreOfTracker(TrackerConfig):
    """How faces are tracked."""

    coast_s: float = setting(0.5, "a new setting, one line", ge=0)
    hidden_s: float = setting(0.25, "another, which few change", ge=0, advanced=True)


@dataclasses.dataclass(frozen=True)
class MoreOfDevice(DeviceConfig):
    """Settings."""

    tracker: MoreOfTracker = section(MoreOfTracker)


def test_a_new_setting_is_one_line_in_one_dataclass() -> None:
    """config.yaml and docs/configuration.md follow."""
    text, tables = render({"device": MoreOfDevice()}), page({"device": MoreOfDevice})
    assert "    # a new setting, one line [a number at least 0]\n    coast_s: 0.5\n" in text
    assert "hidden_s" not in text
    assert "| `coast_s` | a number at least 0 | `0.5` | s | a new setting, one line |" in tables
    assert "| `hidden_s` | a number at least 0 | `0.25` | s | *advanced*: another, which few change |" in tables


def test_an_advanced_setting_that_was_changed_is_written() -> None:
    text = render({"device": load_config(overrides=["device.tracker.lost_s=2"])})
    assert "lost_s: 2.0" in text and "min_iou" not in text


def test_the_share_of_the_fast_model_is_that_of_the_cards() -> None:
    accurate, fast = (read_card(PROFILES[name]).macs for name in ("accurate", "fast"))
    share = f"{100 * fast / accurate:.0f} % of the arithmetic"
    assert share in page({"device": DeviceConfig})
    assert share in (CONFIG.parent / "README.md").read_text(encoding="utf-8")


def test_config_yaml_shows_the_defaults_of_the_device() -> None:
    assert load_config(CONFIG) == DeviceConfig()


@pytest.mark.parametrize(("key", "hint", "field"), SETTINGS, ids=[key for key, _, _ in SETTINGS])
def test_every_setting_has_a_meaning_and_a_default_it_allows(
    key: str, hint: Any, field: dataclasses.Field[Any]
) -> None:
    assert field.metadata["doc"]
    default = field.default
    value = "null" if default is None else str(list(default) if isinstance(default, tuple) else default)
    load(DeviceConfig, "device", None, [f"{key}={value}"])


@pytest.mark.parametrize(("key", "hint", "field"), SETTINGS, ids=[key for key, _, _ in SETTINGS])
def test_every_number_has_a_lower_bound(key: str, hint: Any, field: dataclasses.Field[Any]) -> None:
    if hint in (int, float) and field.metadata["choices"] is None:
        assert {"ge", "gt"} & set(field.metadata["bounds"]), key
