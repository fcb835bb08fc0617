"""Runs on the board: makes models that must not stay, from the bundled one. python models.py FOLDER"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from device.classifier import BUNDLED
from device.model_card import attach, read_card, strip

folder = Path(sys.argv[1])
card, network = read_card(BUNDLED), strip(BUNDLED.read_bytes())
half = len(network) // 2


def without(start: int, end: int) -> bytes:
    """The network with zeros from one byte to another."""
    return network[:start] + bytes(end - start) + network[end:]


def bad(name: str, content: bytes) -> None:
    """A file."""
    (folder / f"{name}.tflite").write_bytes(content)


def lower(metrics: dict[str, object]) -> dict[str, object]:
    """The same figures, of a network that was taught badly."""
    return metrics | {key: float(str(metrics[key])) - 0.2 for key in ("accuracy",) if key in metrics}


bad("cut", BUNDLED.read_bytes()[:half])
bad("worse", attach(network, dataclasses.replace(card, version="worse", metrics=tuple(map(lower, card.metrics)))))
bad("corrupt", attach(network[:half], dataclasses.replace(card, version="corrupt")))
# A part of the weights is gone: it loads, it is as fast as ever, and it reads nonsense.
bad(
    "underperforming",
    attach(without(half - 40_000, half + 40_000), dataclasses.replace(card, version="underperforming")),
)
