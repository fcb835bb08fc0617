"""Formats a model card as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from device.inference.model_card import ModelCard


def describe(card: ModelCard, path: Path, sha256: str) -> str:
    """The card as aligned lines, without its empty fields.

    Args:
        card: the model's card.
        path: the model file, for its name and size.
        sha256: digest of the whole file, hexadecimal.
    """
    rows = [
        *_running(card),
        *_origin(card),
        ("file", f"{path}, {path.stat().st_size / 1000:.0f} kB"),
        ("sha256", sha256),
    ]
    return "\n".join([f"{card.name} {card.version}", *(_row(name, text) for name, text in rows if text)])


def _row(name: str, text: str) -> str:
    """A name and its value, in as many lines as 80 columns need."""
    lines = textwrap.wrap(text, 64, break_long_words=False, break_on_hyphens=False)  # whole: a path, a digest
    return f"  {name:<13} " + f"\n{'':16}".join(lines)


def _running(card: ModelCard) -> Iterator[tuple[str, str]]:
    """What a program must know to run the model."""
    spec, quantisation, point = card.input, card.quantisation, card.operating_point
    yield "labels", ", ".join(card.labels)
    yield "input", f"{spec.size}x{spec.size} {spec.colour}, (pixel - {spec.offset:g}) * {spec.scale:.6g}"
    yield "crop", f"{card.crop_margin.scale:g} box sides, {card.crop_margin.up:g} above the box's centre"
    yield "runs in", f"{quantisation.dtype}, {card.parameters:,} parameters, {card.macs / 1e6:.1f} M multiply-adds"
    yield "temperature", f"{card.temperature:g}"
    if point.min_confidence:
        share = f"{point.coverage:.1%} of faces, {point.accuracy:.1%} of them right ({point.split})"
        yield "confidence", f"{point.min_confidence:g} or more on {share}"


def _origin(card: ModelCard) -> Iterator[tuple[str, str]]:
    """Where the model comes from and how accurate it is."""
    for metrics in card.metrics:
        yield "scored", ", ".join(f"{name} {_number(value)}" for name, value in metrics.items())
    yield "teachers", ", ".join(card.teachers)
    yield "failed gates", ", ".join(card.failed_gates)
    yield "data", f"{card.data} {card.data_digest[:12]}".strip()
    yield "made", f"{card.created} {card.git_revision[:12]}".strip()
    yield "licence", card.licence
    yield "notes", card.notes


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
