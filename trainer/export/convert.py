"""A trained network to a full-int8 .tflite with its card, one step after another.

`convert` is the list of steps. Each step takes what the one before it returned, and returns a
frozen dataclass; what a step proves is collected in `gates`.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterable
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
from trainer.export.qat import fine_tune
from trainer.export.quantise import Ranges, to_int8_tflite

EXPORT_FACES = 256  # on which the exported network's logits must be those of PyTorch


@dataclass(frozen=True)
class Source:
    """What is converted: a trained network, its data, and the settings.

    Attributes:
        checkpoint: the network, and where it comes from.
        dataset: with the splits training and public_test.
        config: `convert` holds calibration, QAT and the gates' limits; `augment` the views of QAT.
        allow_failed: continue where a gate fails; the card will say so.
    """

    checkpoint: Checkpoint
    dataset: Dataset
    config: TrainConfig
    allow_failed: bool = False

    @property
    def limits(self) -> ConvertConfig:
        """The settings of the conversion."""
        return self.config.convert


@dataclass(frozen=True)
class Candidate:
    """A model file that is not finished yet.

    Attributes:
        model: the .tflite, without a card.
        card: what is known of it so far.
        logits: (N, K), on PublicTest, by the device's own classifier.
        gates: passed or failed so far.
    """

    model: bytes
    card: ModelCard
    logits: NDArray[np.float32]
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Calibrated:
    """A float .tflite, the range of each of its activations, and the gates of the calibration."""

    model: bytes
    ranges: Ranges
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Converted:
    """A finished model file's bytes, its card, and its gates."""

    model: bytes
    card: ModelCard
    gates: tuple[Gate, ...]


def convert(
    checkpoint: Checkpoint, dataset: Dataset, config: TrainConfig, as_float: bool = False, allow_failed: bool = False
) -> Converted:
    """Quantise a network on training faces, verify it on PublicTest, and fill in its card.

    Args:
        checkpoint: the network, and where it comes from.
        dataset: with the splits training and public_test.
        config: see `Source`.
        as_float: leave out the quantisation and its gates.
        allow_failed: see `Source`.

    Raises:
        GateError: a gate fails; its name, its figures and what to do are in the message.
        DataError: a split is missing.
    """
    source = Source(checkpoint, dataset, config, allow_failed)
    candidate = export(source)
    if not as_float:
        calibrated = calibrate(source, candidate)
        tuned = qat(source, calibrated)
        int8 = quantise(tuned)
        candidate = verify(source, candidate, calibrated, int8)
    return card(source, candidate)


def export(source: Source) -> Candidate:
    """The network as a float .tflite.

    Raises:
        GateError: it has too many parameters.
        DataError: there is no public_test split.
    """
    faces, checkpoint = source.dataset["public_test"].images, source.checkpoint
    if checkpoint.data_digest != source.dataset.digest:
        _report(f"note: {source.dataset.source} is not exactly the data that this network was trained on")
    blank = cards.blank_card(checkpoint, source.dataset)
    passed = gates.check(gates.Network(blank.parameters), source.limits)
    gates.require(passed, source.allow_failed)
    _report("exporting the float network")
    model = to_float_tflite(checkpoint.model, SIDE)
    logits = _logits(model, blank, faces)
    evidence = gates.Export(logits[:EXPORT_FACES], CheckpointReader(checkpoint).logits(faces[:EXPORT_FACES]))
    return Candidate(model, blank, logits, passed + gates.check(evidence, source.limits))


def calibrate(source: Source, exported: Candidate) -> Calibrated:
    """The range of every activation, measured on training faces.

    Where no QAT follows, each range is then refined by search, see `calibration.refine_ranges`.

    Raises:
        GateError: an activation is dead.
    """
    limits = source.limits
    faces = source.dataset["training"].images
    inputs = to_input(faces[fixed_sample(len(faces), limits.calibration_faces)], cards.INPUT)
    _report(f"calibrating on {len(inputs):,} training faces")
    ranges = activation_ranges(exported.model, inputs, limits.clip_percentile)
    found = gates.check(gates.Calibration(ranges), limits)
    gates.require(found, source.allow_failed)
    if not limits.qat_steps:
        ranges = refine_ranges(exported.model, ranges, inputs[: limits.refine_faces])
    return Calibrated(exported.model, ranges, found)


def qat(source: Source, calibrated: Calibrated) -> Calibrated:
    """Quantisation-aware training on training faces; nothing changes where it has no steps."""
    if not source.limits.qat_steps:
        return calibrated
    _report(f"quantisation-aware training, {source.limits.qat_steps} steps")
    network, faces = source.checkpoint.model, source.dataset["training"].images
    model, ranges = fine_tune(calibrated.model, calibrated.ranges, network, faces, source.config, _report)
    return dataclasses.replace(calibrated, model=model, ranges=ranges)


def quantise(tuned: Calibrated) -> bytes:
    """The full-int8 .tflite of a calibrated network."""
    return to_int8_tflite(tuned.model, tuned.ranges)


def verify(source: Source, exported: Candidate, calibrated: Calibrated, int8: bytes) -> Candidate:
    """The int8 file with its gates: its graph, and its predictions on PublicTest against float.

    Raises:
        GateError: LiteRT does not load the file.
    """
    faces = source.dataset["public_test"]
    interpreter = _loaded(int8)
    int8_card = cards.with_quantisation(exported.card, interpreter)
    _report(f"verifying the int8 network on {len(faces):,} faces of PublicTest")
    logits = _logits(int8, int8_card, faces.images)
    found = exported.gates + calibrated.gates
    for evidence in (gates.Graph(interpreter), gates.Predictions(logits, exported.logits, faces.labels)):
        found += gates.check(evidence, source.limits)
    return Candidate(int8, int8_card, logits, found)


def card(source: Source, candidate: Candidate) -> Converted:
    """The file with its card, which names the gates that failed.

    Raises:
        GateError: a gate failed, and that is not allowed.
    """
    margin = measure_margin(source.dataset["public_test"].images, source.limits)
    filled = cards.with_measurements(candidate.card, candidate.logits, source.dataset, margin)
    filled = with_golden(candidate.model, filled)
    found = candidate.gates
    if filled.quantisation.dtype == "int8":
        found += gates.check(gates.File(attach(candidate.model, filled)), source.limits)
    _report_gates(found)
    gates.require(found, source.allow_failed)
    filled = dataclasses.replace(filled, failed_gates=gates.failures(found))
    return Converted(attach(candidate.model, filled), filled, found)


def measure_margin(faces: NDArray[np.uint8], config: ConvertConfig) -> CropMargin:
    """The crop margin, measured with the device's detector; the default if it finds no faces."""
    chosen = faces[fixed_sample(len(faces), config.margin_faces)]
    _report(f"measuring the crop margin on {len(chosen):,} faces of PublicTest")
    fit = fit_margin(chosen, open_face_detector())
    if not fit.measured:
        _report(f"note: the detector finds only {fit.boxes} faces here; the card gets the default margin")
    return fit.margin


def _logits(model: bytes, card: ModelCard, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, K) of faces (N, S, S), by the device's classifier with this file."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        Path(file.name).write_bytes(attach(model, card))
        return ModelFileReader(Path(file.name)).logits(faces)


def with_golden(model: bytes, card: ModelCard) -> ModelCard:
    """The card with the file's logits of the face that every device knows.

    Each board must reproduce them, under these labels.
    """
    face, *probes = (tuple(map(float, row)) for row in _logits(model, card, golden.probes(card)))
    return dataclasses.replace(card, golden=face, golden_labels=card.labels, golden_probes=tuple(probes))


def _loaded(model: bytes) -> Any:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        Path(file.name).write_bytes(model)
        try:
            return load_interpreter(Path(file.name))
        except ModelError as error:
            raise GateError(f"no model is written, LiteRT does not load it: {error}") from error


def _report_gates(found: Iterable[Gate]) -> None:
    _report("\n".join(f"  {'ok' if gate.ok else 'FAILS':5} {gate.name}: {gate.detail}" for gate in found))


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
