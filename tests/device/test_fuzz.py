"""Any content of a config or a model card is accepted, or refused in one sentence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from device.config import usage_policy
from device.config.loader import to_dict
from device.config.schema import DeviceConfig, load_config
from device.config.yaml_writer import render
from device.errors import ConfigError, EmotionEdgeError, ModelError
from device.inference.model_card import ENTRY, ModelCard, attach, read_card
from device.mqtt.topics import Topics
from tests.support.tiny_models import tiny_card, tiny_model

MODEL = tiny_model()
FLATBUFFER = b"\x00\x00\x00\x00TFL3" + b"\x00" * 32  # the part of a .tflite that a card needs


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


def outcome(kind: type[EmotionEdgeError], work: Callable[[], Any]) -> Any:
    """The result of `work`; None if it refuses with one sentence."""
    try:
        return work()
    except kind as error:
        sentence = str(error)
        assert "\n" not in sentence.strip() and sentence.rstrip().endswith((".", "?")), sentence
        return None


def keys(values: dict[str, Any], prefix: str) -> Iterator[str]:
    """Every setting's full name, and every group's."""
    for name, value in values.items():
        yield f"{prefix}.{name}"
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}.{name}")


KEYS = list(keys(to_dict(DeviceConfig()), "device"))
ODD = """ ~ null yes 1e400 -1 .nan 0x1F 1_0 12:30:45 2026-13-45 !!int_x *a &a_b { [ ] ' % @ ` -_a ?_a <<:_{}
!!python/object:os.system_x \t \u00a0 \ud7ff"""
odd = st.sampled_from([word.replace("_", " ") for word in ODD.split(" ")])
words = st.sampled_from([key.rsplit(".", 1)[1] for key in KEYS]) | st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates()
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)


@given(st.text(max_size=200))
@example("device:\n  mqtt: {port: 99999999999999999999}")
@example("[" * 3000)
@example("a: &a [*a]\ndevice: *a")
@example("device: &a {mqtt: *a}")
def test_any_text_as_a_config(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    outcome(ConfigError, lambda: load_config(file))


@given(st.binary(max_size=100))
def test_any_bytes_as_a_config(file: Path, data: bytes) -> None:
    file.write_bytes(b"device:\n  id: " + data)
    outcome(ConfigError, lambda: load_config(file))


@given(trees)
def test_any_tree_under_the_right_names(file: Path, tree: Any) -> None:
    file.write_text(yaml.safe_dump({"device": tree}, allow_unicode=True), encoding="utf-8")
    config = outcome(ConfigError, lambda: load_config(file))
    if config is not None:
        file.write_text(render({"device": config}), encoding="utf-8")
        assert load_config(file) == config, "a rendered config loads as the same config"


@given(
    st.lists(
        st.tuples(st.sampled_from(KEYS) | st.text(max_size=20), odd | scalars.map(str) | st.text(max_size=12)),
        max_size=4,
    )
)
def test_any_override(pairs: list[tuple[str, str]]) -> None:
    config = outcome(ConfigError, lambda: load_config(overrides=[f"{key}={value}" for key, value in pairs]))
    if config is not None:
        outcome(ConfigError, lambda: usage_policy.check(config))
        outcome(ConfigError, lambda: Topics(config))


@given(st.sampled_from(KEYS), odd | scalars.map(str))
def test_any_value_of_any_setting_in_a_file(file: Path, key: str, value: str) -> None:
    *groups, name = key.split(".")
    lines = [f"{'  ' * depth}{group}:" for depth, group in enumerate(groups)]
    file.write_text("\n".join([*lines, f"{'  ' * len(groups)}{name}: {value}"]), encoding="utf-8")
    outcome(ConfigError, lambda: load_config(file))


# --- the model card

CARD = json.loads(json.dumps(dataclasses.asdict(tiny_card())))
json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
json_trees = st.recursive(
    json_scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(list(CARD)) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


def with_card(file: Path, text: str) -> ModelCard | None:
    """The card read from a model whose card entry is this text; None if it is refused."""
    import io
    import zipfile

    buffer = io.BytesIO(FLATBUFFER)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(ENTRY, text.encode("utf-8", "surrogatepass"))
    file.write_bytes(buffer.getvalue())
    return outcome(ModelError, lambda: read_card(file))  # type: ignore[no-any-return]


@given(st.text(max_size=100) | json_trees.map(json.dumps))
@example("[" * 3000)
@example('{"schema_version": 1, "name": ' + "[" * 3000)
@example("9" * 5000)
def test_any_text_as_a_card(file: Path, text: str) -> None:
    with_card(file, text)


def paths(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a card."""
    yield path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from paths(value, (*path, key))


def replaced(values: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(values) if isinstance(values, dict) else list(values)
    copy[path[0]] = replaced(values[path[0]], path[1:], new)
    return copy


@given(st.sampled_from(sorted(paths(CARD), key=str)), json_trees)
def test_a_card_with_anything_in_any_place(file: Path, path: tuple[Any, ...], new: Any) -> None:
    card = with_card(file, json.dumps(replaced(CARD, path, new)))
    if card is not None:
        assert len(card.labels) >= 2 and 8 <= card.input.size <= 512 and card.temperature > 0


@given(st.integers(0), st.binary(min_size=1, max_size=8), st.integers(0))
def test_a_model_with_bytes_changed_or_cut(file: Path, place: int, new: bytes, cut: int) -> None:
    data = bytearray(attach(FLATBUFFER, tiny_card()))
    place %= len(data)
    data[place : place + len(new)] = new
    file.write_bytes(data[: len(data) - cut % 40])
    outcome(ModelError, lambda: read_card(file))
