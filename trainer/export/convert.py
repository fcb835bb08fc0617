"""A trained network to a full-int8 .tflite with its card, one step after another."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.errors import ModelError
from device.inference import golden
from device.inference.litert import load_interpreter
from device.inference.model_card import CropMargin, ModelCard, attach
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import Checkpoint
from trainer.artifacts.predictor import CheckpointReader, ModelFileReader
from trainer.config import ConvertConfig, TrainConfig
from trainer.data.dataset import SIDE, Dataset, fixed_sample
from trainer.errors import GateError
from trainer.evaluation.end_to_end import fit_margin, open_face_detector
from trainer.export import card as cards
from trainer.export import gates
from trainer.export.calibration import activation_ranges, refine_ranges
from trainer.export.gates import Gate
from trainer.export.litert_export import to_float_tflite
from trainer.export.qat import teach_rounding
from trainer.export.quantise import to_int8_tflite
from trainer.models import ExpressionNet

EXPORT_FACES = 256  # on which the exported network must say what PyTorch says


@dataclass(frozen=True)
class Converted:
    """A finished model file's bytes, its card, and the gates it passed."""

    model: bytes
    card: ModelCard
    gates: tuple[Gate, ...]


def convert(checkpoint: Checkpoint, dataset: Dataset, config: TrainConfig, as_float: bool = False) -> Converted:
    """Quantise a network on training faces, prove it on PublicTest, and fill in its card.

    Args:
        checkpoint: the network, and where it comes from.
        dataset: with the splits training and public_test.
        config: `convert` holds calibration and gates, `augment` the views on which rounding is taught.
        as_float: leave out the quantisation and its gates.

    Raises:
        GateError: a gate fails; its name and figures are in the message.
        DataError: a split is missing.
    """
    public, limits = dataset["public_test"], config.convert
    if checkpoint.data_digest != dataset.digest:
        _say(f"note: {dataset.source} is not exactly the data that this network was taught on")
    card = cards.blank_card(checkpoint, dataset)
    gates.require(proofs := [gates.parameters(card.parameters, limits)])
    _say("exporting the float network")
    model = to_float_tflite(checkpoint.model, SIDE)
    logits = _logits(model, card, public.images)
    proofs.append(
        gates.export(logits[:EXPORT_FACES], CheckpointReader(checkpoint).logits(public.images[:EXPORT_FACES]))
    )
    if not as_float:
        reference, (model, alive) = logits, quantise(model, checkpoint.model, dataset["training"].images, config)
        interpreter = _loaded(model)
        card = cards.with_quantisation(card, interpreter)
        _say(f"proving the int8 network on {len(public):,} faces of PublicTest")
        logits = _logits(model, card, public.images)
        proofs += [alive, gates.partition(interpreter), gates.int8(interpreter)]
        proofs += [gates.agreement(logits, reference, limits), gates.accuracy(logits, reference, public.labels, limits)]
    card = cards.with_measurements(card, logits, dataset, measure_margin(public.images, limits))
    card = dataclasses.replace(card, golden=_golden(model, card))
    model = attach(model, card)
    if not as_float:
        proofs.append(gates.size(model))
    _say("\n".join(f"  {'ok' if gate.ok else 'FAILS':5} {gate.name}: {gate.detail}" for gate in proofs))
    gates.require(proofs)
    return Converted(model, card, tuple(proofs))


def quantise(plain: bytes, source: ExpressionNet, faces: NDArray[np.uint8], config: TrainConfig) -> tuple[bytes, Gate]:
    """The int8 form of a network, made on training faces alone; and the proof that no activation is dead.

    Args:
        plain: the network as a float .tflite.
        source: the same in PyTorch.
        faces: of Training, uint8 (N, S, S).

    Raises:
        GateError: an activation is dead.
    """
    chosen = to_input(_some(faces, config.convert.calibration_faces), cards.INPUT)
    _say(f"calibrating on {len(chosen):,} training faces")
    ranges = activation_ranges(plain, chosen, config.convert.clip_percentile)
    gates.require([alive := gates.ranges(ranges)])
    if config.convert.qat_steps:
        _say(f"teaching the network its own rounding, {config.convert.qat_steps} steps")
        plain, ranges = teach_rounding(plain, ranges, source, faces, config, _say)
    else:
        ranges = refine_ranges(plain, ranges, chosen[: config.convert.refine_faces])
    return to_int8_tflite(plain, ranges), alive


def measure_margin(faces: NDArray[np.uint8], config: ConvertConfig) -> CropMargin:
    """The crop margin, measured with the device's own detector; the usual one where it finds no faces (toy)."""
    chosen = _some(faces, config.margin_faces)
    _say(f"measuring the crop margin on {len(chosen):,} faces of PublicTest")
    fit = fit_margin(chosen, open_face_detector())
    if not fit.measured:
        _say(f"note: the detector finds only {fit.boxes} faces here; the card takes the usual margin")
    return fit.margin


def _logits(model: bytes, card: ModelCard, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the device's classifier reads from faces (N, S, S) with this file: (N, K)."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        Path(file.name).write_bytes(attach(model, card))
        return ModelFileReader(Path(file.name)).logits(faces)


def _golden(model: bytes, card: ModelCard) -> tuple[float, ...]:
    """What this file says about the face that every device knows, to be said again on every board."""
    return tuple(map(float, _logits(model, card, golden.face(card)[np.newaxis])[0]))


def _loaded(model: bytes) -> Any:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        Path(file.name).write_bytes(model)
        try:
            return load_interpreter(Path(file.name))
        except ModelError as error:
            raise GateError(f"no model is written, LiteRT does not load it: {error}") from error


def _some(faces: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """At most `count` faces, drawn over the whole set; always the same ones."""
    return faces[fixed_sample(len(faces), count)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
