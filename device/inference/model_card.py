"""The contract between trainer and device: the metadata inside a .tflite.

The card is one JSON file, `model_card.json`, appended to the flatbuffer as a ZIP entry. LiteRT
reads the flatbuffer from the front and a ZIP reader finds its directory from the back, so both can
open the same file. The ZIP's comment is the flatbuffer's sha256, which detects damage; old files
have none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import struct
import typing
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.errors import ModelError

SCHEMA_VERSION = 1
ENTRY = "model_card.json"
FLATBUFFER_ID = b"TFL3"

# What zipfile raises for changed bytes: in sizes, offsets, methods, flags or the compressed text.
DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, RuntimeError, OSError, struct.error)


@dataclass(frozen=True)
class InputSpec:
    """The network's input: `(pixel - offset) * scale`, shape (1, size, size, 1)."""

    size: int
    colour: str = "grey"
    offset: float = 0.0
    scale: float = 1.0 / 255.0
    resize: str = "area-or-linear"


@dataclass(frozen=True)
class CropMargin:
    """From the detector's box to the network's square; both in mean sides of the box."""

    scale: float = 1.22
    up: float = 0.12


@dataclass(frozen=True)
class Quantisation:
    """Scales and zero points of input and output; dtype is "int8", or "float32" with 1 and 0."""

    dtype: str = "int8"
    input_scale: float = 1.0 / 255.0
    input_zero_point: int = -128
    output_scale: float = 1.0
    output_zero_point: int = 0


@dataclass(frozen=True)
class OperatingPoint:
    """A confidence threshold, with coverage and accuracy above it on the split it was set on."""

    min_confidence: float = 0.0
    coverage: float = 1.0
    accuracy: float = 0.0
    split: str = "public_test"


@dataclass(frozen=True)
class ModelCard:
    """Everything the device needs to run a network, and its provenance."""

    name: str
    version: str
    labels: tuple[str, ...]
    input: InputSpec
    quantisation: Quantisation
    crop_margin: CropMargin = field(default_factory=CropMargin)
    temperature: float = 1.0
    operating_point: OperatingPoint = field(default_factory=OperatingPoint)
    metrics: tuple[dict[str, Any], ...] = ()
    parameters: int = 0
    macs: int = 0
    teachers: tuple[str, ...] = ()
    data: str = ""
    data_digest: str = ""
    git_revision: str = ""
    created: str = ""
    licence: str = "Apache-2.0"
    notes: str = ""
    golden: tuple[float, ...] = ()  # the bundled face's logits at conversion; none in an older card
    failed_gates: tuple[str, ...] = ()  # of `trainer convert --allow-failed-gates`: an experiment
    schema_version: int = SCHEMA_VERSION


def attach(model: bytes, card: ModelCard) -> bytes:
    """The model with the card inside, replacing any card it had.

    Args:
        model: a .tflite file's bytes.

    Returns:
        the same model, still a loadable .tflite, with `model_card.json` as a ZIP entry at its end.
    """
    network = strip(model)
    buffer = io.BytesIO(network)
    buffer.seek(0, io.SEEK_END)
    text = json.dumps(dataclasses.asdict(card), indent=2, sort_keys=True)
    entry = zipfile.ZipInfo(ENTRY, date_time=(1980, 1, 1, 0, 0, 0))  # fixed, so that equal cards give equal files
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(entry, text)
        archive.comment = _checksum(network)
    return buffer.getvalue()


def strip(model: bytes) -> bytes:
    """The flatbuffer alone, without a card."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            entries = archive.infolist()
            return model[: min(e.header_offset for e in entries)] if entries else model
    except zipfile.BadZipFile:
        return model


def digest(path: Path) -> str:
    """sha256 of the file, hexadecimal.

    Raises:
        ModelError: the file cannot be read.
    """
    return hashlib.sha256(_read(path)).hexdigest()


def read_card(path: Path) -> ModelCard:
    """Read and check the card of a .tflite.

    Raises:
        ModelError: no such file, not a .tflite, no card, or a card this version cannot use.
    """
    data = _read(path)
    if data[4:8] != FLATBUFFER_ID:
        raise ModelError(f"{path}: this is not a .tflite model.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text, checksum = archive.read(ENTRY), archive.comment
    except DAMAGE as error:
        raise ModelError(
            f"{path}: there is no model card inside, or the file is cut short; make it with `trainer convert`."
        ) from error
    if checksum and checksum != _checksum(strip(data)):
        raise ModelError(f"{path}: the file was damaged or cut short after it was made; copy it again.")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: nested a thousand times
        raise ModelError(
            f"{path}: the model card is not valid JSON; make the file again with `trainer convert`."
        ) from error
    return _card(values, str(path))


def _checksum(network: bytes) -> bytes:
    return hashlib.sha256(network).hexdigest().encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}.") from error


def _card(values: Any, where: str) -> ModelCard:
    if not isinstance(values, dict):
        raise ModelError(f"{where}: the model card must be a JSON object.")
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"{where}: the model card has schema_version {version!r}, this device reads {SCHEMA_VERSION}; "
            "update emotion-edge or convert the model again."
        )
    card = typing.cast(ModelCard, _build(ModelCard, values, where, "card"))
    _check(card, where)
    return card


def _build(cls: Any, values: Any, where: str, key: str) -> Any:
    """Build a dataclass from JSON: unknown keys are ignored, missing ones need a default."""
    if not isinstance(values, dict):
        raise ModelError(f"{where}: {key} in the model card must be a JSON object.")
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        if f.name in values:
            known[f.name] = _typed(hints[f.name], values[f.name], where, f"{key}.{f.name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ModelError(f"{where}: the model card lacks {key}.{f.name}.")
    return cls(**known)


def _typed(hint: Any, value: Any, where: str, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where, key)
    origin = typing.get_origin(hint) or hint
    if origin is tuple and isinstance(value, list):
        item = typing.get_args(hint)[0]
        return tuple(_typed(item, v, where, f"{key}[{i}]") for i, v in enumerate(value))
    if origin is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if origin is tuple or not isinstance(value, origin) or (origin is int and isinstance(value, bool)):
        raise ModelError(f"{where}: {key} in the model card is {value!r}, which is of the wrong type.")
    return value


def _check(card: ModelCard, where: str) -> None:
    quantisation = card.quantisation
    scales = (quantisation.input_scale, quantisation.output_scale)
    problems = {
        "labels must name at least two emotions, each once": len(set(card.labels)) < max(2, len(card.labels)),
        "labels must not contain 'unknown', which the device says itself": "unknown" in card.labels,
        "input.size must lie between 8 and 512": not 8 <= card.input.size <= 512,
        "input.colour must be grey": card.input.colour != "grey",
        "input.scale must be above zero": not 0 < card.input.scale < math.inf,
        "input.offset must be a number": not math.isfinite(card.input.offset),
        "input.resize must be area-or-linear": card.input.resize != "area-or-linear",
        "golden must hold a number for each label, or none": len(card.golden) not in (0, len(card.labels)),
        "temperature must be above zero": not 0 < card.temperature < 1000,
        "crop_margin.scale must lie between 0.1 and 10": not 0.1 <= card.crop_margin.scale <= 10,
        "crop_margin.up must lie between -5 and 5": not -5 <= card.crop_margin.up <= 5,
        "quantisation.dtype must be int8 or float32": quantisation.dtype not in ("int8", "float32"),
        "quantisation scales must be above zero": not all(0 < scale < math.inf for scale in scales),
    }
    for problem, present in problems.items():
        if present:
            raise ModelError(f"{where}: the model card cannot be honoured: {problem}.")
