"""`trainer smoother`: train the recurrent network of the device's smoother."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from device.inference.classifier import Classifier
from trainer.artifacts.run_dir import CONFIG, RunFolder, new_run, newest_run, open_run, replacing
from trainer.config import TrainConfig, load_config
from trainer.data.dataset import LABELS, Dataset
from trainer.data.fer2013 import load_dataset
from trainer.errors import CheckpointError, DataError, RunError
from trainer.smoothing.clips import ClipMaker, matched
from trainer.smoothing.fit import Sources, fit_smoother
from trainer.smoothing.views import VIEWS_SEED, Views, classify_views, some_of_each_class

VIEWS = "views.npz"
EPILOG = """The network reads the scores of a face, frame after frame, and says what the expression is by now.
It is trained on clips made of Training faces, and evaluated after each epoch on clips made of every
second PublicTest face (the even ones; docs/smoothing.md judges on the odd ones).

First jittered views of the faces are classified by the model: minutes, once a run. Then the network is
trained: minutes on one CPU core. The result is smoother.npz in the run folder, about 20 kB.

examples:
  trainer smoother --data fer2013.csv                      for the bundled model
  trainer smoother --data fer2013.csv --model my.tflite    for a model of your own
  trainer smoother --resume                                continue the newest run that was cut off
  trainer smoother --data toy --set trainer.smoother.epochs=1    try it without a download

use it on the device:
  device run --set device.smoother.network=runs/smoother-.../smoother.npz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer smoother`."""
    parser.epilog = EPILOG
    parser.add_argument("--model", type=Path, metavar="F", help="the .tflite that reads faces (default: the bundled)")
    parser.add_argument("--run", type=Path, metavar="DIR", help="run folder to make, or with --resume to continue")
    parser.add_argument("--resume", action="store_true", help="continue after the last finished epoch")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Train the network; prints the path of its file."""
    torch.set_num_threads(config.threads or 1)  # a second thread makes matrices this small slower
    started, config = _resumed(args, config)
    dataset, classifier = load_dataset(config.data), _open_classifier(args.model)
    folder = started or new_run(config, "smoother", args.run)
    training, held_out = _views(folder, classifier, dataset, config)
    generator = np.random.default_rng(config.smoother.seed)
    frequencies = np.bincount(held_out.labels, minlength=len(LABELS)) / len(held_out.labels)
    own = [np.flatnonzero(held_out.labels == k) for k in range(len(LABELS))]
    sources = Sources(
        ClipMaker(training, matched(training, held_out, generator), frequencies),
        ClipMaker(held_out, own, frequencies),
        dataset.digest,
    )
    path = fit_smoother(config.smoother, sources, folder, args.resume)
    summary = folder.summary()
    if args.json:
        print(json.dumps({"network": str(path)} | summary))
    else:
        print(f"{path}: right after {summary['accuracy']:.1%} of the readings of held-out clips")
    return 0


def _resumed(args: argparse.Namespace, config: TrainConfig) -> tuple[RunFolder | None, TrainConfig]:
    """The run to resume and the config that it was started with; without --resume, no run."""
    if not args.resume:
        return None, config
    run = open_run(args.run) if args.run else newest_run(Path(config.runs), "smoother", finished=False)
    if run is None:
        raise CheckpointError(
            f"{config.runs}: there is no stopped run of a smoother here; start a new one without --resume."
        )
    started_with = load_config(run.path / CONFIG)
    return run, TrainConfig(**(vars(started_with) | {"data": config.data or started_with.data}))


def _open_classifier(model: Path | None) -> Classifier:
    classifier = Classifier(model)
    if classifier.labels != LABELS:
        raise DataError(
            f"{model}: the model's labels are {', '.join(classifier.labels)}, but must be {', '.join(LABELS)}."
        )
    return classifier


def _views(folder: RunFolder, classifier: Classifier, dataset: Dataset, config: TrainConfig) -> tuple[Views, Views]:
    """Views of Training faces and of the even PublicTest faces, kept in the run folder."""
    file = folder.path / VIEWS
    if file.is_file():
        with np.load(file) as kept:
            return Views(kept["training"], kept["training_labels"]), Views(kept["held_out"], kept["held_out_labels"])
    picked = some_of_each_class(dataset["training"], config.smoother.faces_per_class)
    training = classify_views(
        classifier,
        picked,
        _tracked(range(len(picked)), "Training faces"),
        config.smoother.views,
        VIEWS_SEED["training"],
    )
    even = _tracked(range(0, len(dataset["public_test"]), 2), "held-out faces")
    held_out = classify_views(
        classifier, dataset["public_test"], even, config.smoother.views, VIEWS_SEED["public_test"]
    )
    arrays: dict[str, Any] = {"training": training.scores, "training_labels": training.labels}
    arrays |= {"held_out": held_out.scores, "held_out_labels": held_out.labels}
    try:
        with replacing(file) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **arrays)
    except OSError as error:
        raise RunError(f"{file}: the views cannot be written: {error.strerror}.") from error
    return training, held_out


def _tracked(order: range, what: str) -> Iterable[int]:
    console = Console(stderr=True)
    return track(order, what, console=console, disable=not console.is_terminal)
