"""`trainer evaluate`: scores a checkpoint or a .tflite on a split, alone and in the whole chain."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig
from device.errors import UsageError
from device.inference.model_card import digest
from trainer.artifacts.predictor import Predictor, open_reader
from trainer.artifacts.run_dir import CONFIG, newest_student, write_bytes, write_text
from trainer.config import TrainConfig, load_config
from trainer.data.corruptions import KINDS
from trainer.data.dataset import SPLITS, FaceSet, fixed_sample
from trainer.data.fer2013 import load_dataset
from trainer.data.ferplus import labels_kind
from trainer.evaluation import scoring
from trainer.evaluation.end_to_end import fit_margin, open_face_detector, read_through
from trainer.reporting.tables import print_scores

T = TypeVar("T")
Logits = NDArray[np.float32]

MODEL = "emotion.tflite"
EPILOG = """what is always measured, on all faces and on those without an exact duplicate in Training:
  accuracy, F1, AUC, confusion; ECE, Brier and NLL before and after the temperature; risk-coverage

what is measured on request:
  --tta               the mean of 2 and of 10 views, beside the single view, which stays the headline
  --against OTHER     another model on the same faces: paired difference, its 95 % interval, McNemar's exact p
  --corruptions       15 corruptions in 5 severities (`trainer data --corrupted F` shows them)
  --through-detector  faces pasted into frames, detected, cropped and classified

examples:
  trainer evaluate --data fer2013.csv                            the newest student, on PublicTest
  trainer evaluate --model device/models/emotion.tflite --data fer2013.csv --split private_test --json
  trainer evaluate --data fer2013.csv --against device/models/emotion.tflite      is the new one better?
  trainer evaluate --data fer2013.csv --tta --corruptions        everything but the detector; minutes
  trainer evaluate --data fer2013.csv --through-detector         the cost of detector and crop"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer evaluate`."""
    parser.epilog = EPILOG
    parser.add_argument("--model", type=Path, metavar="M", help="checkpoint or .tflite (default: the newest student's)")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="faces to score (default: public_test)")
    parser.add_argument("--tta", action="store_true", help="also average several views of each face")
    parser.add_argument("--against", type=Path, metavar="M", help="also score this model, and compare the two")
    parser.add_argument("--corruptions", action="store_true", help="also score faces with 15 corruptions")
    parser.add_argument(
        "--through-detector", action="store_true", help="also paste faces into frames and score the whole chain"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", metavar="PX", help="through the detector: sides of the pasted faces"
    )
    parser.add_argument(
        "--faces", type=int, metavar="N", help="pasted or corrupted: only N faces, drawn at random, always the same"
    )
    parser.add_argument("--fit-margin", action="store_true", help="through the detector, and measure the crop margin")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Score, print, and save the scores in the run folder for `trainer report`."""
    from rich.console import Console

    path, sizes = args.model or newest_model(Path(config.runs)), args.sizes or config.evaluate.frame_face_px
    if not all(24 <= size <= 480 for size in sizes) or (args.faces or 1) < 1:
        raise UsageError("--sizes must lie between 24 and 480 pixels, and --faces above 0.")
    predictor = open_reader(path)
    dataset = load_dataset(config.data or data_of(path), labels_kind(predictor.labels))
    faces = scoring.set_exam(dataset, args.split)
    names = faces.faces.names
    models = Models(predictor, scoring.reading(predictor, path, names), _other(args.against, names))
    logits = models.read(faces.faces.images)
    scores: dict[str, Any] = {"model": str(path), "model_digest": digest(path), "data": dataset.source}
    scores |= scoring.single_view(faces, logits, predictor.temperature)
    scores |= _on_request(args, config, models, faces, logits)
    few = faces.faces.take(fixed_sample(len(faces.faces), args.faces))
    if args.corruptions:
        kinds = shown(KINDS, "corrupted faces")
        scores["corruptions"] = scoring.corrupted(models.read, few, config.evaluate.corruption_seed, kinds)
    if args.through_detector or args.fit_margin:
        scores |= through_detector(predictor, few, sizes, args.fit_margin)
    save(path, args.split, scores, logits)
    if args.json:
        print(json.dumps(scores, indent=2))
    else:
        print_scores(scores, Console())
    return 0


@dataclasses.dataclass(frozen=True)
class Models:
    """The model to score, as predictor and as function; and the one to compare with."""

    predictor: Predictor
    read: scoring.Read
    other: scoring.Read | None


def _other(path: Path | None, names: tuple[str, ...]) -> scoring.Read | None:
    return scoring.reading(open_reader(path), path, names) if path else None


def _on_request(
    args: argparse.Namespace, config: TrainConfig, models: Models, faces: scoring.EvaluationSet, logits: Logits
) -> dict[str, Any]:
    """Scores of several views, and against another model, where the options ask for them."""
    found: dict[str, Any] = {}
    if args.tta:
        shift, temperature = config.evaluate.tta_shift_px, models.predictor.temperature
        found["tta"] = scoring.several_views(faces, models.read, temperature, shift)
    if models.other:
        compared = scoring.against(faces, logits, models.other(faces.faces.images))
        found["against"] = {"model": str(args.against)} | compared
    return found


def shown(things: Collection[T], text: str) -> Iterable[T]:
    """The things in order, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(things, text, console=console, disable=not console.is_terminal)


def newest_model(runs: Path) -> Path:
    """The newest student's .tflite, or its weights where it was not converted.

    Raises:
        CheckpointError: there is no student.
    """
    folder = newest_student(runs, "a file with --model")
    converted = folder.path / MODEL
    return converted if converted.is_file() else folder.best


def data_of(path: Path) -> str | None:
    """The data set of the run that holds a model; None outside a run folder."""
    file = path.parent / CONFIG
    return load_config(file).data if file.is_file() else None


def through_detector(reader: Predictor, faces: FaceSet, sizes: Iterable[int], fit: bool) -> dict[str, Any]:
    """Scores of the whole chain, by face size in the frame; see `trainer.evaluation.end_to_end`.

    Returns:
        detector (its kind), crop_margin; and faces_pasted, detected, accuracy_through_detector,
        accuracy_direct, points_lost by size.
    """
    detector = open_face_detector()
    margin = {"used": dataclasses.asdict(reader.margin)}
    result: dict[str, Any] = {"detector": DetectorConfig().kind, "crop_margin": margin}
    if fit:
        found = fit_margin(faces.images, detector)
        margin["fitted"] = dataclasses.asdict(found)
    by_size = {}
    for size in sizes:
        indices = shown(range(len(faces)), f"faces of {size} px")
        by_size[str(size)] = read_through(reader, detector, faces, size, indices)
    for key in next(iter(by_size.values())):
        result[key] = {size: values[key] for size, values in by_size.items()}
    return result


def save(path: Path, split: str, scores: dict[str, Any], logits: NDArray[np.float32]) -> None:
    """Save scores and logits beside a model in a run folder, for `trainer report`."""
    if not (path.parent / CONFIG).is_file():
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=logits)
    write_bytes(path.with_name(f"{path.stem}-{split}.npz"), buffer.getvalue())
    write_text(path.with_name(f"{path.stem}-{split}.json"), json.dumps(scores, indent=2) + "\n")
