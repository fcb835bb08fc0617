"""A trained row's predictions on its test faces; they can be saved beside the weights.

Weights may be too heavy to copy from a rented machine. A row that comes without them then still has
all its figures except those of its file.
"""

from __future__ import annotations

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.run_dir import BEST
from trainer.compare.experiment_run import PREDICTIONS, TEST
from trainer.config import TrainConfig
from trainer.data.dataset import SIDE, Dataset
from trainer.errors import CheckpointError
from trainer.models import ExpressionNet
from trainer.training.batches import channels_last
from trainer.training.learner import pick_device
from trainer.training.precision import autocast

BATCH = 256  # faces at once; bounds memory, changes no result
TSNE_FACES = 1500  # more make the plane no clearer, and take minutes


@dataclass(frozen=True)
class Predictions:
    """A network's output for the test faces.

    Attributes:
        logits: (N, K).
        features: penultimate, of the first faces (M, C), for a plot.
        seconds: of CPU time.
        data_digest: of the faces that the network was trained on.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    seconds: float
    data_digest: str


def predictions_of(folder: Path, data: Dataset, machine: TrainConfig) -> Predictions:
    """Predictions of the row in a folder: by its weights, or the saved ones if these are missing.

    Raises:
        CheckpointError: neither can be read, or the row was trained on other faces.
    """
    has_weights = (folder / BEST).is_file() or not (folder / PREDICTIONS).is_file()
    found = _by_weights(folder, data, machine) if has_weights else _saved(folder / PREDICTIONS)
    if found.data_digest != data.digest:
        raise CheckpointError(f"{folder}: it was trained on other faces; name another folder with --out, or delete it.")
    return found


def save_predictions(folder: Path, data: Dataset, machine: TrainConfig) -> None:
    """Write the predictions of a row into its folder."""
    found = predictions_of(folder, data, machine)
    temporary = folder / f"{PREDICTIONS}.tmp"
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, logits=found.logits, features=found.features.astype(np.float16), seconds=found.seconds,
            data_digest=found.data_digest,
        )  # fmt: skip
    temporary.replace(folder / PREDICTIONS)


def _by_weights(folder: Path, data: Dataset, machine: TrainConfig) -> Predictions:
    checkpoint, start = load_checkpoint(folder / BEST), time.process_time()
    logits, features = predict(checkpoint.model, data[TEST].images, machine)
    return Predictions(logits, features, time.process_time() - start, checkpoint.data_digest)


def _saved(path: Path) -> Predictions:
    try:
        with np.load(path) as found:
            features = found["features"].astype(np.float32)
            return Predictions(found["logits"], features, float(found["seconds"]), str(found["data_digest"]))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path}: these are not the predictions of a row, or the file is cut short; delete it and train again."
        ) from error


def predict(
    model: ExpressionNet, images: NDArray[np.uint8], machine: TrainConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, K) of faces (N, S, S), and penultimate features (M, C) of the first ones.

    On the training device, in bfloat16 where the settings choose it, as each epoch was validated.
    """
    device = pick_device(machine)
    model = model.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    logits, features = [], []
    with torch.inference_mode(), autocast(device, machine.bf16):
        for start in range(0, len(images), BATCH):
            part = torch.from_numpy(to_input(images[start : start + BATCH], InputSpec(SIDE))).permute(0, 3, 1, 2)
            found = model.trunk(channels_last(part).to(device))
            logits.append(model.head(found).float().cpu().numpy())
            if start < TSNE_FACES:
                features.append(found.float().cpu().numpy())
    return np.concatenate(logits), np.concatenate(features)[:TSNE_FACES]
