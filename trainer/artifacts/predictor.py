"""One interface for checkpoints and .tflite files: faces in, logits out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from device.inference.model_card import CropMargin, InputSpec
from device.inference.preprocess import to_input
from trainer.data.dataset import SIDE

if TYPE_CHECKING:
    from trainer.artifacts.checkpoint import Checkpoint

BATCH = 256  # faces at once; bounds memory, changes no result


class Predictor(Protocol):
    """A network that classifies faces.

    Attributes:
        labels: the classes, in the order of the logits.
        temperature: by which logits are divided before softmax.
        margin: from the detector's box to the square that this network expects.
    """

    labels: tuple[str, ...]
    temperature: float
    margin: CropMargin

    def logits(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (N, K) of faces, uint8 (N, S, S)."""
        ...


class CheckpointReader:
    """A network in PyTorch; uncalibrated, so its temperature is 1."""

    temperature = 1.0
    margin = CropMargin()

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.labels = checkpoint.labels
        self._model = checkpoint.model.eval()

    def logits(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (N, K) of faces, uint8 (N, S, S)."""
        import torch

        outputs = []
        with torch.inference_mode():
            for start in range(0, len(faces), BATCH):
                part = faces[start : start + BATCH]
                inputs = torch.from_numpy(to_input(part, InputSpec(SIDE))).permute(0, 3, 1, 2)
                outputs.append(self._model(inputs).numpy())
        return np.concatenate(outputs)


class ModelFileReader:
    """A .tflite, run by the device's own classifier.

    Raises:
        ModelError: the device cannot use the file or its card.
    """

    def __init__(self, path: Path) -> None:
        from device.inference.classifier import Classifier

        self._classifier = Classifier(path)
        card = self._classifier.card
        self.labels, self.temperature, self.margin = card.labels, card.temperature, card.crop_margin

    def logits(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (N, K) of faces, uint8 (N, S, S)."""
        return self._classifier.logits(faces)


def open_reader(path: Path) -> Predictor:
    """The predictor of a file: a .tflite by its suffix, a checkpoint otherwise.

    Raises:
        ModelError: a .tflite that the device refuses.
        CheckpointError: a checkpoint that cannot be read.
    """
    if path.suffix == ".tflite":
        return ModelFileReader(path)
    from trainer.artifacts.checkpoint import load_checkpoint  # PyTorch, which a .tflite does not need

    return CheckpointReader(load_checkpoint(path))
