"""`trainer evaluate`: scores a checkpoint or a .tflite on a split, directly and through the whole chain."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from device.errors import ModelError, UsageError
from trainer import metrics
from trainer.config import TrainConfig, load_config
from trainer.dataset import LABELS, SPLITS, VOTES, Dataset, FaceSet, duplicate_mask, load_dataset
from trainer.errors import CheckpointError
from trainer.reader import Reader, open_reader
from trainer.runs import BEST, CONFIG, newest_run, write_bytes, write_text
from trainer.score_table import print_scores
from trainer.through_detector import fit_margin, open_face_detector, read_through

MODEL = "emotion.tflite"
VOTED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # FER+'s names, in our order
EPILOG = """examples:
  trainer evaluate --data fer2013.csv                            the newest student, on PublicTest
  trainer evaluate --model device/models/emotion.tflite --data fer2013.csv --split private_test --json
  trainer evaluate --data fer2013.csv --through-detector         how much detector and crop cost"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer evaluate`."""
    parser.epilog = EPILOG
    parser.add_argument("--model", type=Path, metavar="M", help="checkpoint or .tflite (default: the newest student's)")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="faces to read (default: public_test)")
    parser.add_argument(
        "--through-detector", action="store_true", help="also paste faces into frames and read the chain"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", metavar="PX", help="through the detector: sides of the pasted faces"
    )
    parser.add_argument("--faces", type=int, metavar="N", help="through the detector: only N faces, drawn at random")
    parser.add_argument("--fit-margin", action="store_true", help="through the detector, and measure the crop margin")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Score, print, and leave the scores in the run folder for `trainer report`."""
    path = args.model or newest_model(Path(config.runs))
    sizes = args.sizes or config.evaluate.frame_face_px
    if not all(24 <= size <= 480 for size in sizes) or (args.faces or 1) < 1:
        raise UsageError("--sizes must lie between 24 and 480 pixels, and --faces above 0.")
    reader = open_reader(path)
    dataset = load_dataset(config.data or data_of(path))
    faces = dataset[args.split]
    logits = logits_of(reader, faces, path)
    scores = {"model": str(path), "data": dataset.source} | evaluate(logits, reader.temperature, dataset, args.split)
    if args.through_detector or args.fit_margin:
        scores |= through_detector(reader, faces, sizes, args.faces, args.fit_margin)
    keep(path, args.split, scores, logits)
    if args.json:
        print(json.dumps(scores, indent=2))
    else:
        print_scores(scores, Console())
    return 0


def newest_model(runs: Path) -> Path:
    """The newest student's .tflite, or its weights where it was not converted.

    Raises:
        CheckpointError: there is no student.
    """
    found = newest_run(runs, "student") or newest_run(runs, "student", finished=False)
    for name in (MODEL, BEST):
        if found is not None and (found.path / name).is_file():
            return found.path / name
    raise CheckpointError(f"{runs}: no student is here; teach one with `trainer distill`, or name a file with --model.")


def data_of(path: Path) -> str | None:
    """The data set that the run around a model was taught on; None outside a run folder."""
    file = path.parent / CONFIG
    return load_config(file).data if file.is_file() else None


def logits_of(reader: Reader, faces: FaceSet, path: Path) -> NDArray[np.float32]:
    """What a model says about faces: (N, 7), columns in the order of `LABELS`.

    Raises:
        ModelError: it knows other emotions.
    """
    if set(reader.labels) != set(LABELS):
        raise ModelError(f"{path}: the model says {', '.join(reader.labels)}, the data {', '.join(LABELS)}.")
    return reader.logits(faces.images)[:, [reader.labels.index(label) for label in LABELS]]


def evaluate(logits: NDArray[np.float32], temperature: float, dataset: Dataset, split: str) -> dict[str, Any]:
    """Score what was read from a split.

    Args:
        logits: (N, 7), of the split's faces.
        temperature: that calibrates them.
        dataset: with the split; with Training too where faces that stand in both are to be told apart.
        split: which faces they are.

    Returns:
        `metrics.summarise` of all faces, and under `without_duplicates` of those whose exact pixels do not stand in
        Training (None where that is not known, or where none is left); under `fer_plus` where there are votes.
    """
    faces = dataset[split]
    scores = metrics.softmax(logits, temperature)
    result: dict[str, Any] = {"split": split, "temperature": temperature} | metrics.summarise(
        scores, faces.labels, LABELS
    )
    result["standard_error"] = float(np.sqrt(result["accuracy"] * (1 - result["accuracy"]) / len(faces)))
    result["without_duplicates"] = None
    if split != "training" and "training" in dataset.splits:
        new = ~duplicate_mask(faces, dataset["training"])
        if new.any():
            result["without_duplicates"] = metrics.summarise(scores[new], faces.labels[new], LABELS)
    if faces.votes is not None:
        result["fer_plus"] = _against_votes(scores, faces.votes)
    return result


def _against_votes(scores: NDArray[np.float64], votes: NDArray[np.uint8]) -> dict[str, Any]:
    """Scores against the shares of FER+ annotators' votes, over faces with a vote for one of the seven."""
    counts = votes[:, [VOTES.index(name) for name in VOTED]].astype(np.float64)
    voted = counts.sum(1) > 0
    shares = counts[voted] / counts[voted].sum(1, keepdims=True)
    right = scores[voted].argmax(1) == shares.argmax(1)
    return {"n": int(voted.sum()), "accuracy": float(right.mean()), "nll": metrics.nll_soft(scores[voted], shares)}


def through_detector(
    reader: Reader, faces: FaceSet, sizes: Iterable[int], count: int | None, fit: bool
) -> dict[str, Any]:
    """What the whole chain reads, by size of the face in the frame; see `trainer.through_detector`.

    Returns:
        crop_margin; and faces_pasted, detected, accuracy_through_detector, accuracy_direct, points_lost by size.
    """
    console = Console(stderr=True)
    chosen = faces.take(np.sort(np.random.default_rng(0).permutation(len(faces))[:count]))
    detector = open_face_detector()
    result: dict[str, Any] = {"crop_margin": {"used": dataclasses.asdict(reader.margin)}}
    if fit:
        found = fit_margin(chosen.images, detector)
        result["crop_margin"]["fitted"] = dataclasses.asdict(found)
    by_size = {}
    for size in sizes:
        indices = track(range(len(chosen)), f"faces of {size} px", console=console, disable=not console.is_terminal)
        by_size[str(size)] = read_through(reader, detector, chosen, size, indices)
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
