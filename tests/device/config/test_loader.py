"""The strict loader: what it accepts, and one error sentence with the place for every mistake."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from device.config.loader import from_dict, load, section, setting, to_dict
from device.config.schema import DeviceConfig
from device.config.yaml_writer import render
from device.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    """A group."""

    share: float = setting(0.5, "a share", ge=0, le=1)
    kind: str = setting("a", "which", choices=("a", "b"))


@dataclass(frozen=True)
class Outer:
    """Everything."""

    name: str | None = setting(None, "a name")
    count: int = setting(3, "how many", ge=1, lt=10)
    on: bool = setting(False, "whether")
    sizes: tuple[int, int] = setting((1, 2), "two sizes", ge=1)
    inner: Inner = section(Inner)


def read(tmp_path: Path, text: str, *overrides: str) -> Outer:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load(Outer, "device", path, overrides)


def refused(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, *overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith((".", "?"))
    return sentence.replace(str(tmp_path), "")


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    for text in ("", "device:\n", "# only a comment\n", "trainer: {whatever: 1}\n"):
        assert read(tmp_path, text) == Outer()


def test_values_of_the_file_replace_defaults_and_the_rest_stays(tmp_path: Path) -> None:
    text = "device:\n  name: kitchen\n  sizes: [4, 5]\n  inner:\n    share: 1\n"
    assert read(tmp_path, text) == Outer(name="kitchen", sizes=(4, 5), inner=Inner(share=1.0))


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, "device: {count: 4}", "device.count=5", "device.inner.kind=b", "device.name=")
    assert (config.count, config.inner.kind, config.name) == (5, "b", None)


def test_a_number_with_an_exponent_is_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, "device: {inner: {share: 1e-3}}").inner.share == 0.001


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("device:\n  cuont: 3\n", "/c.yaml, line 2: unknown setting device.cuont; did you mean count?"),
        ("device:\n  zzzzz: 3\n", "unknown setting device.zzzzz; known here: name, count, on, sizes, inner."),
        ("devcie:\n  count: 3\n", "/c.yaml, line 1: unknown setting devcie; did you mean device?"),
        ("device:\n\n  count: three\n", "/c.yaml, line 3: device.count is 'three', but must be a whole number"),
        ("device: {count: 10}", "device.count is 10, but must be a whole number at least 1 and below 10."),
        ("device: {count: true}", "device.count is True, but"),
        ("device: {on: 1}", "device.on is 1, but must be true or false."),
        ("device: {name: 3}", "device.name is 3, but must be text (or null)."),
        ("device: {sizes: [1]}", "device.sizes is [1], but must be a list, each item a whole number at least 1."),
        ("device: {sizes: [0, 1]}", "device.sizes is [0, 1]"),
        ("device: {inner: {kind: c}}", "device.inner.kind is 'c', but must be one of a, b."),
        ("device: {inner: {share: .nan}}", "device.inner.share is nan"),
        ("device: {inner: {share: .inf}}", "device.inner.share is inf"),
        ("device: {inner: {share: half}}", "device.inner.share is 'half'"),
        ("device: {inner: 3}", "settings (key: value) are expected here."),
        ("- device\n", "settings (key: value) are expected here."),
        ("device: {count: 3, count: 4}", "count is set twice"),
        ("device: {[a]: 3}", "the name of a setting is expected"),
        ("device: {name: !secret x}", "device.name cannot be read, but must be text"),
        ("device: {name: 2020-13-45}", "device.name cannot be read"),
        ("device:\n  count: [3\n", "line 3: this is not valid YAML"),
        ("device: a: b", "this is not valid YAML"),
        ("[" * 5000, "nested too deeply"),
        ("\x00", "this is not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("device.count", "--set device.count: write device.group.key=value"),
        ("count=3", "--set count=3: write device.group.key=value"),
        ("trainer.count=3", "--set: unknown setting trainer.count"),
        ("device.inner=3", "device.inner is a group; set one of its keys: share, kind."),
        ("device.count.x=3", "device.count is a single setting and has no key x."),
        ("device.inner.shrae=1", "did you mean share?"),
        ("device.count=[", "the value is not valid YAML."),
        ("device.count=0", "--set: device.count is 0, but must be a whole number at least 1 and below 10."),
    ],
)
def test_a_wrong_override_is_one_sentence(tmp_path: Path, override: str, sentence: str) -> None:
    assert sentence in refused(tmp_path, "", override)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: the config cannot be read: No such file"):
        load(Outer, "device", tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(Outer, "device", tmp_path)
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(Outer, "device", tmp_path / "latin")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={f.name: json_like for f in dataclasses.fields(Outer)}))
def test_any_value_is_taken_or_refused_in_a_sentence(values: dict[str, object]) -> None:
    try:
        config = from_dict(Outer, values, "device", "here")
    except ConfigError as error:
        assert str(error).startswith("here, line ")
    else:
        assert from_dict(Outer, to_dict(config), "device", "here") == config


@given(st.text(max_size=40))
def test_any_override_is_taken_or_refused(text: str) -> None:
    for override in (text, f"device.name={text}", f"device.inner.{text}=1"):
        try:
            load(Outer, "device", None, [override])
        except ConfigError:
            continue


def test_what_is_rendered_reads_back(tmp_path: Path) -> None:
    config = Outer(name="a: b # c", sizes=(7, 8), inner=Inner(share=0.1, kind="b"))
    assert read(tmp_path, render({"device": config})) == config
    everything = DeviceConfig()
    path = tmp_path / "all.yaml"
    path.write_text(render({"device": everything, "trainer": Outer()}), encoding="utf-8")
    assert load(DeviceConfig, "device", path) == everything
    assert yaml.safe_load(path.read_text())["trainer"]["count"] == 3


def test_rendered_text_contains_what_is_allowed() -> None:
    text = render({"device": Outer()})
    assert "# how many [a whole number at least 1 and below 10]\n  count: 3\n" in text
    assert "# which [one of a, b]\n" in text
    assert "# whether\n  on: false" in text
    assert "# A group.\n  inner:" in text
