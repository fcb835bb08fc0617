"""`trainer convert`: the student -> a full-int8 .tflite with its card, written only if it passes every gate."""

from __future__ import annotations

import argparse
import dataclasses
import json
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
from trainer import card as cards
from trainer import gates
from trainer.checkpoint import Checkpoint, load_checkpoint
from trainer.config import ConvertConfig, TrainConfig
from trainer.dataset import SIDE, Dataset, load_dataset
from trainer.errors import CheckpointError, GateError
from trainer.gates import Gate
from trainer.models import ExpressionNet
from trainer.qat import teach_rounding
from trainer.quantise import activation_ranges, refine_ranges, to_float_tflite, to_int8_tflite
from trainer.reader import CheckpointReader, ModelFileReader
from trainer.runs import newest_run, open_run, write_bytes
from trainer.through_detector import fit_margin, open_face_detector

EXPORT_FACES = 256  # on which the exported network must say what PyTorch says
EPILOG = """examples:
  trainer convert                                 the newest student; writes emotion.tflite into its run folder
  trainer convert --run runs/student-1 --out device/models/emotion.tflite
  trainer convert --float                         the same network in float32, to compare with"""


@dataclass(frozen=True)
class Converted:
    """A finished model file's bytes, its card, and the gates it passed."""

    model: bytes
    card: ModelCard
    gates: tuple[Gate, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer convert`."""
    parser.epilog = EPILOG
    source = parser.add_mutually_exclusive_group()
    source.add_argument("checkpoint", nargs="?", type=Path, metavar="CHECKPOINT", help="a best.pt or last.pt")
    source.add_argument("--run", type=Path, metavar="DIR", help="run folder to convert (default: the newest student's)")
    parser.add_argument("--out", type=Path, metavar="F", help="file to write (default: emotion.tflite there)")
    parser.add_argument("--float", action="store_true", dest="as_float", help="write float32 instead of int8")
    parser.add_argument("--json", action="store_true", help="print path, gates and card as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Convert, write, and print the path of what was written."""
    path = args.checkpoint or (open_run(args.run).best if args.run else newest_student(config))
    checkpoint = load_checkpoint(path)
    dataset = load_dataset(config.data or checkpoint.config.data)
    converted = convert(checkpoint, dataset, config, args.as_float)
    out = args.out or path.with_name("emotion-float.tflite" if args.as_float else "emotion.tflite")
    write_bytes(out, converted.model)
    print(_as_json(out, converted) if args.json else out)
    return 0


def newest_student(config: TrainConfig) -> Path:
    """The best weights of the newest student.

    Raises:
        CheckpointError: there is no student.
    """
    runs = Path(config.runs)
    found = newest_run(runs, "student") or newest_run(runs, "student", finished=False)
    if found is None or not found.best.is_file():
        raise CheckpointError(f"{runs}: no student is here; teach one with `trainer distill`, or name a checkpoint.")
    return found.best


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
    chosen = np.random.default_rng(0).permutation(len(faces))[:count]
    return faces[np.sort(chosen)]


def _as_json(path: Path, converted: Converted) -> str:
    proofs = [dataclasses.asdict(gate) for gate in converted.gates]
    return json.dumps({"path": str(path), "gates": proofs, "card": dataclasses.asdict(converted.card)}, indent=2)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
