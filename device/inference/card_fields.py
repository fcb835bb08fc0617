"""What a model card holds, field by field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1


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
    golden_labels: tuple[str, ...] = ()  # the labels that these logits belong to; none in an older card
    golden_probes: tuple[tuple[float, ...], ...] = ()  # the same for `golden.PROBES`
    failed_gates: tuple[str, ...] = ()  # of `trainer convert --allow-failed-gates`: an experiment
    schema_version: int = SCHEMA_VERSION
