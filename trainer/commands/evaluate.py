"""`trainer evaluate`: scores a checkpoint or a .tflite on a split, directly and through the whole chain."""

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
from rich.console import Console
from rich.progress import track

from device.errors import UsageError
from device.inference.model_card import digest
from trainer.artifacts.predictor import Predictor, open_reader
from trainer.artifacts.run_dir import CONFIG, newest_student, write_bytes, write_text
from trainer.config import TrainConfig, load_config
from trainer.data.corruptions import KINDS
from trainer.data.dataset import SPLITS, FaceSet, fixed_sample
from trainer.data.fer2013 import load_dataset
from trainer.evaluation import scoring
from trainer.evaluation.end_to_end import fit_margin, open_face_detector, read_through
from trainer.reporting.tables import print_scores

T = TypeVar("T")

MODEL = "emotion.tflite"
EPILOG = """what is always measured, on all faces and on those whose exact pixels do not stand in Training:
  accuracy, F1, AUC, confusion; ECE, Brier and NLL before and after the temperature; risk-coverage

what is measured on request:
  --tta               the mean of 2 and of 10 views; stands beside the single view, which stays the headline
  --against OTHER     the same faces read by another model: paired difference, its 95 % interval, McNemar's exact p
  --corruptions       15 kinds of bad pictures in 5 severities (`trainer data --corrupted F` shows them)
  --through-detector  faces pasted into frames, found, cropped and read

examples:
  trainer evaluate --data fer2013.csv                            the newest student, on PublicTest
  trainer evaluate --model device/models/emotion.tflite --data fer2013.csv --split private_test --json
  trainer evaluate --data fer2013.csv --against device/models/emotion.tflite      is the new one better?
  trainer evaluate --data fer2013.csv --tta --corruptions        everything but the detector; minutes
  trainer evaluate --data fer2013.csv --through-detector         how much detector and crop cost"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer evaluate`."""
    parser.epilog = EPILOG
    parser.add_argument("--model", type=Path, metavar="M", help="checkpoint or .tflite (default: the newest student's)")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="faces to read (default: public_test)")
    parser.add_argument("--tta", action="store_true", help="also average several views of each face")
    parser.add_argument("--against", type=Path, metavar="M", help="also read the faces with this model, and compare")
    parser.add_argument("--corruptions", action="store_true", help="also read faces that were spoilt in 15 ways")
    parser.add_argument(
        "--through-detector", action="store_true", help="also paste faces into frames and read the chain"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", metavar="PX", help="through the detector: sides of the pasted faces"
    )
    parser.add_argument(
        "--faces", type=int, metavar="N", help="pasted or spoilt: only N faces, drawn at random, always the same"
    )
    parser.add_argument("--fit-margin", action="store_true", help="through the detector, and measure the crop margin")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Score, print, and leave the scores in the run folder for `trainer report`."""
    path = args.model or newest_model(Path(config.runs))
    sizes = args.sizes or config.evaluate.frame_face_px
    if not all(24 <= size <= 480 for size in sizes) or (args.faces or 1) < 1:
        raise UsageError("--sizes must lie between 24 and 480 pixels, and --faces above 0.")
    reader = open_reader(path)
    read = scoring.reading(reader, path)
    other = scoring.reading(open_reader(args.against), args.against) if args.against else None
    dataset = load_dataset(config.data or data_of(path))
    exam = scoring.set_exam(dataset, args.split)
    logits = read(exam.faces.images)
    scores: dict[str, Any] = {"model": str(path), "model_digest": digest(path), "data": dataset.source}
    scores |= scoring.single_view(exam, logits, reader.temperature)
    if args.tta:
        scores["tta"] = scoring.several_views(exam, read, reader.temperature, config.evaluate.tta_shift_px)
    if other:
        scores["against"] = {"model": str(args.against)} | scoring.against(exam, logits, other(exam.faces.images))
    few, seed = some(exam.faces, args.faces), config.evaluate.corruption_seed
    if args.corruptions:
        scores["corruptions"] = scoring.corrupted(read, few, seed, shown(KINDS, "spoilt faces"))
    if args.through_detector or args.fit_margin:
        scores |= through_detector(reader, few, sizes, args.fit_margin)
    keep(path, args.split, scores, logits)
    if args.json:
        print(json.dumps(scores, indent=2))
    else:
        print_scores(scores, Console())
    return 0


def some(faces: FaceSet, count: int | None) -> FaceSet:
    """So many of the faces, drawn at random but always the same ones, in their order; None takes all."""
    return faces.take(fixed_sample(len(faces), count))


def shown(things: Collection[T], text: str) -> Iterable[T]:
    """The things one after the other, with a bar on a terminal that shows how far it is."""
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
    """The data set that the run around a model was taught on; None outside a run folder."""
    file = path.parent / CONFIG
    return load_config(file).data if file.is_file() else None


def through_detector(reader: Predictor, faces: FaceSet, sizes: Iterable[int], fit: bool) -> dict[str, Any]:
    """What the whole chain reads, by size of the face in the frame; see `trainer.evaluation.end_to_end`.

    Returns:
        crop_margin; and faces_pasted, detected, accuracy_through_detector, accuracy_direct, points_lost by size.
    """
    detector = open_face_detector()
    result: dict[str, Any] = {"crop_margin": {"used": dataclasses.asdict(reader.margin)}}
    if fit:
        found = fit_margin(faces.images, detector)
        result["crop_margin"]["fitted"] = dataclasses.asdict(found)
    by_size = {}
    for size in sizes:
        indices = shown(range(len(faces)), f"faces of {size} px")
        by_size[str(size)] = read_through(reader, detector, faces, size, indices)
    for key in next(iter(by_size.values())):
        result[key] = {size: values[key] for size, values in by_size.items()}
    return result


def keep(path: Path, split: str, scores: dict[str, Any], logits: NDArray[np.float32]) -> None:
    """Leave scores and logits beside a model that lies in a run folder, for `trainer report`."""
    if not (path.parent / CONFIG).is_file():
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=logits)
    write_bytes(path.with_name(f"{path.stem}-{split}.npz"), buffer.getvalue())
    write_text(path.with_name(f"{path.stem}-{split}.json"), json.dumps(scores, indent=2) + "\n")
