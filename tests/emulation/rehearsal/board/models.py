"""Runs on the board: makes good and bad models of the bundled one. python models.py FOLDER"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from device.inference import golden
from device.inference.classifier import BUNDLED, Classifier
from device.inference.model_card import attach, read_card, strip

folder = Path(sys.argv[1])
card, network = read_card(BUNDLED), strip(BUNDLED.read_bytes())
half = len(network) // 2


def holed(width: int) -> bytes:
    """A model file with this many zero bytes on either side of the middle of its weights."""
    content = network[: half - width] + bytes(2 * width) + network[half + width :]
    return attach(content, dataclasses.replace(card, version="underperforming"))


def reading(file: Path) -> int:
    """Which label the known face gets, by its number."""
    logits = golden.measure(file, Classifier(file)).logits
    return logits.index(max(logits))


def make(name: str, content: bytes) -> None:
    """A file."""
    (folder / f"{name}.tflite").write_bytes(content)


def lower(metrics: dict[str, object]) -> dict[str, object]:
    """The same figures, of a network that was taught badly."""
    return metrics | {key: float(str(metrics[key])) - 0.2 for key in ("accuracy",) if key in metrics}


make("good", attach(network, dataclasses.replace(card, version="good")))
make("cut", BUNDLED.read_bytes()[:half])
make("worse", attach(network, dataclasses.replace(card, version="worse", metrics=tuple(map(lower, card.metrics)))))
make("corrupt", attach(network[:half], dataclasses.replace(card, version="corrupt")))
# It loads, it is as fast as ever, and it reads nonsense.
for lost in range(40_000, half, 40_000):
    make("underperforming", holed(lost))
    if reading(folder / "underperforming.tflite") != reading(BUNDLED):
        break
