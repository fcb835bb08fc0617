"""The card inside the .tflite: attached, read, removed; refused if it is not supported."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import resource
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

from device.errors import ModelError
from device.inference.model_card import ENTRY, ModelCard, OperatingPoint, attach, digest, read_card, strip
from tests.support.tiny_models import LABELS, tiny_card, tiny_model

MODEL = tiny_model()


def full_card() -> ModelCard:
    return dataclasses.replace(
        tiny_card(),
        temperature=1.25,
        operating_point=OperatingPoint(0.6, 0.8, 0.75),
        metrics=({"split": "public_test", "n": 3589, "accuracy": 0.7},),
        parameters=16128,
        teachers=("se-resnet34",),
        notes="größer als nötig",
    )


def with_values(folder: Path, values: Any) -> Path:
    """A model whose card is just this JSON."""
    return with_text(folder, json.dumps(values))


def with_text(folder: Path, text: str) -> Path:
    buffer = io.BytesIO(MODEL)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(ENTRY, text)
    path = folder / "model.tflite"
    path.write_bytes(buffer.getvalue())
    return path


def plain_values() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(tiny_card())))
    return values


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_card(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.endswith(".")
    assert "\n" not in text
    return text


# ---- in, back, and out


def test_a_card_comes_back_as_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(attach(MODEL, full_card()))
    assert read_card(path) == full_card()
    assert digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_model_runs_unchanged_with_a_card(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(attach(MODEL, full_card()))
    said = []
    for interpreter in (
        Interpreter(model_content=MODEL),
        Interpreter(model_content=path.read_bytes()),
        Interpreter(model_path=str(path)),
    ):
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.arange(2304, dtype=np.int32).astype(np.int8).reshape(1, 48, 48, 1))
        interpreter.invoke()
        said.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tolist())
    assert said[0] == said[1] == said[2]


def test_stripping_gives_the_model_back() -> None:
    assert strip(attach(MODEL, full_card())) == MODEL
    assert strip(MODEL) == MODEL
    assert strip(b"") == b""


def test_a_second_card_replaces_the_first() -> None:
    assert attach(attach(MODEL, full_card()), tiny_card()) == attach(MODEL, tiny_card())


def test_equal_cards_make_equal_files() -> None:
    assert attach(MODEL, full_card()) == attach(MODEL, full_card())


printable = st.characters(exclude_categories=("C", "Z"))
texts = st.text(printable).filter(str.isprintable)
names = st.text(printable, min_size=1, max_size=9).filter(lambda name: name != "unknown" and name.isprintable())


@given(texts, st.floats(0.05, 20), st.lists(names, min_size=2, max_size=9, unique=True))
def test_any_honest_card_survives(
    tmp_path_factory: pytest.TempPathFactory, notes: str, temperature: float, labels: list[str]
) -> None:
    card = dataclasses.replace(tiny_card(tuple(labels)), notes=notes, temperature=temperature)
    path = tmp_path_factory.mktemp("card") / "model.tflite"
    path.write_bytes(attach(MODEL, card))
    assert read_card(path) == card


def test_a_later_card_may_say_more(tmp_path: Path) -> None:
    values = plain_values() | {"colour_of_the_box": "blue"}
    values["input"]["nose"] = True
    assert read_card(with_values(tmp_path, values)) == tiny_card()


def test_what_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    values = plain_values()
    for key in ("temperature", "crop_margin", "operating_point", "metrics"):
        del values[key]
    assert read_card(with_values(tmp_path, values)) == tiny_card()


# ---- refused


def test_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "absent.tflite")
    with pytest.raises(ModelError, match="cannot be read"):
        digest(tmp_path / "absent.tflite")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"no model at all, whatever its name says"])
def test_not_a_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tflite").write_bytes(content)
    assert "not a .tflite model" in refusal(tmp_path / "model.tflite")


def test_no_card(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(MODEL)
    assert "no model card" in refusal(tmp_path / "model.tflite")
    with_another = io.BytesIO(MODEL)
    with zipfile.ZipFile(with_another, "a") as archive:
        archive.writestr("readme.txt", "hello")
    (tmp_path / "model.tflite").write_bytes(with_another.getvalue())
    assert "no model card" in refusal(tmp_path / "model.tflite")


def test_cut_short_anywhere(tmp_path: Path) -> None:
    whole = attach(MODEL, full_card())
    path = tmp_path / "model.tflite"
    for end in (len(whole) - 1, len(whole) - 30, len(whole) - 400, len(MODEL), len(MODEL) // 2, 100):
        path.write_bytes(whole[:end])
        assert "cut short" in refusal(path)


WHOLE = attach(MODEL, full_card())


@given(st.dictionaries(st.integers(len(MODEL), len(WHOLE) - 1), st.integers(1, 255), min_size=1, max_size=8))
def test_a_damaged_card_is_refused_or_unharmed(tmp_path_factory: pytest.TempPathFactory, flips: dict[int, int]) -> None:
    damaged = bytearray(WHOLE)
    for place, bits in flips.items():
        damaged[place] ^= bits
    path = tmp_path_factory.mktemp("damaged") / "model.tflite"
    path.write_bytes(damaged)
    try:
        assert read_card(path) == full_card()
    except ModelError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("text", ["{", "", "\udcff"])
def test_a_card_that_is_not_json(tmp_path: Path, text: str) -> None:
    buffer = io.BytesIO(MODEL)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(ENTRY, text.encode("utf-8", "surrogateescape"))
    (tmp_path / "model.tflite").write_bytes(buffer.getvalue())
    assert "not valid JSON" in refusal(tmp_path / "model.tflite")


def test_a_card_that_is_not_an_object(tmp_path: Path) -> None:
    assert "JSON object" in refusal(with_values(tmp_path, [1, 2]))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema(tmp_path: Path, version: object) -> None:
    assert "schema_version" in refusal(with_values(tmp_path, plain_values() | {"schema_version": version}))


@pytest.mark.parametrize("key", ["name", "labels", "input", "quantisation"])
def test_what_must_be_there(tmp_path: Path, key: str) -> None:
    values = plain_values()
    del values[key]
    assert f"lacks card.{key}" in refusal(with_values(tmp_path, values))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5),
        ("labels", "happy"),
        ("labels", ["happy", 3]),
        ("temperature", "hot"),
        ("temperature", True),
        ("parameters", 1.5),
        ("metrics", {}),
        ("input", []),
    ],
)
def test_a_wrong_type_is_named(tmp_path: Path, key: str, value: object) -> None:
    assert f"card.{key}" in refusal(with_values(tmp_path, plain_values() | {key: value}))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("labels", ["happy"], "at least two"),
        ("labels", ["happy", "happy"], "each once"),
        ("labels", ["happy", "unknown"], "'unknown'"),
        ("input.size", 4, "input.size"),
        ("input.size", 4096, "input.size"),
        ("input.colour", "rgb", "input.colour"),
        ("input.scale", 0, "input.scale"),
        ("input.scale", float("nan"), "input.scale"),
        ("input.offset", float("-inf"), "input.offset"),
        ("input.resize", "nearest", "input.resize"),
        ("temperature", 0, "temperature"),
        ("temperature", float("inf"), "temperature"),
        ("temperature", 0.04, "temperature must lie between 0.05 and 20"),
        ("temperature", 21, "temperature must lie between 0.05 and 20"),
        ("temperature", 10**400, "temperature"),
        ("name", "a\ud800", "printable"),
        ("name", "\x1b[2J", "printable"),
        ("name", "", "1 to 100"),
        ("version", "1" * 101, "1 to 100"),
        ("labels", ["happy", "sad\x07"], "printable"),
        ("notes", "\u202eevil", "notes must be"),
        ("notes", "x" * 4001, "notes must be"),
        ("licence", "\x9b31m", "every other text"),
        ("teachers", ["resnet\n"], "every other text"),
        ("metrics", [{"accuracy": 1.01}], "shares between 0 and 1"),
        ("metrics", [{"accuracy": float("nan")}], "finite numbers"),
        ("metrics", [{"split": "\x1b]0;title\x07"}], "printable text"),
        ("metrics", [{"n": [[[]]]}], "printable text and finite numbers"),
        ("operating_point.accuracy", -0.1, "operating_point"),
        ("operating_point.coverage", float("nan"), "operating_point"),
        ("golden", [float("inf")] * 7, "golden outputs must be finite"),
        ("golden_labels", list(LABELS[::-1]), "golden_labels"),
        ("golden_probes", [[1.0]], "golden_probes"),
        ("quantisation.input_zero_point", 10**20, "zero points"),
        ("parameters", -1, "must not be negative"),
        ("crop_margin.scale", 0, "crop_margin.scale"),
        ("crop_margin.up", 9, "crop_margin.up"),
        ("quantisation.dtype", "int4", "int8 or float32"),
        ("quantisation.input_scale", 0, "scales"),
        ("quantisation.output_scale", -1, "scales"),
        ("quantisation.output_scale", float("nan"), "scales"),
    ],
)
def test_what_cannot_be_honoured(tmp_path: Path, path: str, value: object, told: str) -> None:
    values = plain_values()
    *groups, key = path.split(".")
    inner = values
    for group in groups:
        inner = inner[group]
    inner[key] = value
    assert told in refusal(with_values(tmp_path, values))


@pytest.mark.parametrize("key", ["name", "labels", "parameters", "schema_version"])
def test_a_value_of_a_megabyte_is_not_repeated(tmp_path: Path, key: str) -> None:
    for value in ("x" * 900_000, ["x"] * 200_000, {"\x1b": "\ud800" * 100}):
        sentence = refusal(with_values(tmp_path, plain_values() | {key: value}))
        assert len(sentence) < 400 and sentence.isprintable()


# ---- what is packed in the archive


def packed(folder: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A model followed by an archive with these entries."""
    buffer = io.BytesIO(MODEL)
    with zipfile.ZipFile(buffer, "a", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    path = folder / "model.tflite"
    path.write_bytes(buffer.getvalue())
    return path


CARD = json.dumps(dataclasses.asdict(tiny_card())).encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (CARD + b" " * 200_000_000, "larger than 1000 kB"),
        (CARD + b" " * 900_000, "packed more than any card is"),
    ],
)
def test_a_card_that_grows_when_it_is_unpacked(tmp_path: Path, content: bytes, told: str) -> None:
    path = packed(tmp_path, {ENTRY: content})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert told in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kB"


def test_a_card_that_is_larger_than_its_directory_says(tmp_path: Path) -> None:
    path = packed(tmp_path, {ENTRY: bytes(50_000_000)})
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (100_000).to_bytes(4, "little")  # the size in the directory
    path.write_bytes(data)
    assert refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_may_take_any_memory(tmp_path: Path, method: int) -> None:
    assert "no model card inside" in refusal(packed(tmp_path, {ENTRY: CARD}, method))


def test_an_archive_of_many_entries(tmp_path: Path) -> None:
    few = {f"{number}.txt": b"" for number in range(10)}
    assert read_card(packed(tmp_path, {**few, ENTRY: CARD})) == tiny_card()
    many = {f"{number}.txt": b"" for number in range(100)}
    assert "no model card inside" in refusal(packed(tmp_path, {**many, ENTRY: CARD}))


def test_a_device_or_a_huge_file_is_not_read(tmp_path: Path) -> None:
    assert "not a regular file" in refusal(Path("/dev/zero"))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    with (tmp_path / "huge.tflite").open("wb") as file:
        file.truncate(200_000_000)
    assert "larger than 100,000,000 bytes" in refusal(tmp_path / "huge.tflite")
