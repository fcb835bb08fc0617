"""Plain post-training quantisation: a float .tflite, then int8 by ranges measured once.

`trainer convert` makes the file for a device and refuses one that fails a gate. Here nothing is
trained and nothing is refused: any network is converted as far as possible, so that several can be
compared, and the outcome of the gates is reported beside the file.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.errors import EmotionEdgeError
from device.inference.litert import load_interpreter
from device.inference.model_card import CropMargin, attach
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import Checkpoint
from trainer.artifacts.predictor import ModelFileReader
from trainer.config import ConvertConfig
from trainer.data.dataset import SIDE, Dataset, fixed_sample
from trainer.errors import GateError
from trainer.export import card as cards
from trainer.export import gates
from trainer.export.calibration import activation_ranges
from trainer.export.gates import Gate
from trainer.export.litert_export import to_float_tflite
from trainer.export.quantise import to_int8_tflite


@dataclass(frozen=True)
class PlainFile:
    """A network as a file.

    Attributes:
        path: of the file, int8 where that is possible, else float.
        dtype: "int8" or "float32".
        why_not: why it is not int8; empty where it is.
        gates: those of `trainer convert` that need no reference, passed or not.
    """

    path: Path
    dtype: str
    why_not: str
    gates: tuple[Gate, ...]


def convert_plainly(checkpoint: Checkpoint, dataset: Dataset, faces: int, folder: Path) -> PlainFile:
    """Write `float32.tflite` and, where possible, `int8.tflite`, each with its card.

    Args:
        checkpoint: the network, and where it comes from.
        dataset: `training` sets the ranges, `public_test` the temperature.
        faces: of Training, that set the ranges.
        folder: where the files go.

    Raises:
        GateError: the network cannot even be exported in float.
    """
    plain = _exported(checkpoint)
    path = _carded(plain, "float32", checkpoint, dataset, folder)
    try:
        int8, found = _int8(plain, dataset["training"].images, faces, checkpoint.config.convert)
        path = _carded(int8, "int8", checkpoint, dataset, folder)
    except EmotionEdgeError as error:
        return PlainFile(path, "float32", str(error), ())
    for evidence in (gates.Graph(load_interpreter(path)), gates.File(path.read_bytes())):
        found += gates.check(evidence, checkpoint.config.convert)
    return PlainFile(path, "int8", "", found)


def _exported(checkpoint: Checkpoint) -> bytes:
    try:
        return to_float_tflite(checkpoint.model, SIDE)
    except Exception as error:  # the exporter's exceptions for an unknown graph are not documented
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GateError(f"the network cannot be exported: {reason}") from error


def _int8(plain: bytes, images: NDArray[np.uint8], faces: int, limits: ConvertConfig) -> tuple[bytes, tuple[Gate, ...]]:
    ranges = activation_ranges(plain, to_input(images[fixed_sample(len(images), faces)], cards.INPUT))
    found = gates.check(gates.Calibration(ranges), limits)
    try:
        return to_int8_tflite(plain, ranges), found
    except GateError:
        raise
    except Exception as error:  # nor are the quantizer's
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GateError(f"the network cannot be quantised: {reason}") from error


def _carded(model: bytes, dtype: str, checkpoint: Checkpoint, dataset: Dataset, folder: Path) -> Path:
    """Write a file with its card, filled from its own predictions on the validation faces.

    Raises:
        ModelError: LiteRT does not load it.
    """
    path = folder / f"{dtype}.tflite"
    card = cards.blank_card(checkpoint, dataset)
    with tempfile.TemporaryDirectory() as aside:
        bare = Path(aside) / path.name
        bare.write_bytes(model)
        if dtype == "int8":
            card = cards.with_quantisation(card, load_interpreter(bare))
        bare.write_bytes(attach(model, card))
        logits = ModelFileReader(bare).logits(dataset["public_test"].images)
    path.write_bytes(attach(model, cards.with_measurements(card, logits, dataset, CropMargin())))
    return path
