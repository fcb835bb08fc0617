"""How a taught row reads its test faces; it can be kept beside the weights, where nothing else of it can be judged.

A row that comes home from a rented machine without its weights, which may be heavy, then still has all its figures but
those of its file.
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
from trainer.compare.experiment_run import TEST
from trainer.config import TrainConfig
from trainer.data.dataset import SIDE, Dataset
from trainer.errors import CheckpointError
from trainer.models import ExpressionNet
from trainer.training.batches import channels_last
from trainer.training.learner import pick_device

READING = "reading.npz"
BATCH = 256  # faces at once; bounds memory, changes no result
TSNE_FACES = 1500  # more make the plane no clearer, and take minutes


@dataclass(frozen=True)
class Reading:
    """What a network says of the test faces.

    Attributes:
        logits: (N, K).
        features: penultimate, of the first faces (M, C), for a picture.
        seconds: of CPU time that it took.
        data_digest: of the faces that the network was taught on.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    seconds: float
    data_digest: str


def reading_of(folder: Path, data: Dataset, machine: TrainConfig) -> Reading:
    """How the row in a folder reads the test faces: by its weights, or as it was kept where these are not there.

    Raises:
        CheckpointError: neither can be read, or the row was taught on other faces.
    """
    has_weights = (folder / BEST).is_file() or not (folder / READING).is_file()
    reading = _by_weights(folder, data, machine) if has_weights else _kept(folder / READING)
    if reading.data_digest != data.digest:
        raise CheckpointError(f"{folder}: it was taught on other faces; name another folder with --out, or delete it.")
    return reading


def keep_reading(folder: Path, data: Dataset, machine: TrainConfig) -> None:
    """Write the reading of a row into its folder."""
    found = reading_of(folder, data, machine)
    temporary = folder / f"{READING}.tmp"
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, logits=found.logits, features=found.features.astype(np.float16), seconds=found.seconds,
            data_digest=found.data_digest,
        )  # fmt: skip
    temporary.replace(folder / READING)


def _by_weights(folder: Path, data: Dataset, machine: TrainConfig) -> Reading:
    checkpoint, began = load_checkpoint(folder / BEST), time.process_time()
    logits, features = read(checkpoint.model, data[TEST].images, machine)
    return Reading(logits, features, time.process_time() - began, checkpoint.data_digest)


def _kept(path: Path) -> Reading:
    try:
        with np.load(path) as found:
            features = found["features"].astype(np.float32)
            return Reading(found["logits"], features, float(found["seconds"]), str(found["data_digest"]))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: this is no reading of a row, or it is cut short.") from error


def read(
    model: ExpressionNet, images: NDArray[np.uint8], machine: TrainConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, K) of faces (N, S, S), and the penultimate features (M, C) of the first ones, for a picture.

    Read on the device that teaches, in bfloat16 where the settings say so, as the epochs were judged.
    """
    device = pick_device(machine)
    model = model.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    logits, features = [], []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=machine.bf16):
        for start in range(0, len(images), BATCH):
            part = torch.from_numpy(to_input(images[start : start + BATCH], InputSpec(SIDE))).permute(0, 3, 1, 2)
            seen = model.trunk(channels_last(part).to(device))
            logits.append(model.head(seen).float().cpu().numpy())
            if start < TSNE_FACES:
                features.append(seen.float().cpu().numpy())
    return np.concatenate(logits), np.concatenate(features)[:TSNE_FACES]
