"""Trained networks from a run folder, a checkpoint, or a .tflite of this trainer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from device.inference.model_card import InputSpec, ModelCard, read_card
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.predictor import ModelFileReader
from trainer.artifacts.run_dir import open_run
from trainer.artifacts.tflite_import import recover
from trainer.data.dataset import Dataset
from trainer.errors import CheckpointError
from trainer.models import ExpressionNet

FACES = 2048  # of Training, on which the batch-norm statistics of a .tflite are measured


@dataclass(frozen=True)
class Teacher:
    """A network to distil from, with its name for cards and summaries."""

    model: nn.Module
    name: str


@dataclass(frozen=True)
class Network(Teacher):
    """A teacher that can itself be trained."""

    model: ExpressionNet


class LiteNetwork(nn.Module):
    """A .tflite as the device runs it: int8 on the CPU, several times as fast as in float."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.reader = path, ModelFileReader(path)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, faces: Tensor) -> Tensor:
        """Logits (N, K), without gradient.

        Args:
            faces: (N, 1, S, S) float in [0, 1]; rounded to whole grey levels.
        """
        pixels = (faces * 255).round().to(torch.uint8).squeeze(1)
        return torch.from_numpy(self.reader.logits(pixels.numpy()))


def load_teacher(path: Path, dataset: Dataset, device: torch.device) -> Teacher:
    """A network to distil from; on the CPU a .tflite is used as it is.

    Raises:
        CheckpointError, ModelError: as `load_network`.
    """
    if path.suffix == ".tflite" and device.type == "cpu":
        card = read_card(path)
        _check_labels(path, card.labels, dataset)
        return Teacher(LiteNetwork(path), _name(card))
    return load_network(path, dataset)


def load_network(path: Path, dataset: Dataset) -> Network:
    """A teacher or a student, in eval mode, on the CPU.

    Args:
        path: a run folder, whose best epoch is taken; a checkpoint; or a .tflite.
        dataset: on whose Training faces the batch-norm statistics of a .tflite are measured.

    Raises:
        CheckpointError: there is none, it cannot be read, or it has other labels than the data.
        ModelError: a .tflite that cannot be read.
    """
    if path.suffix == ".tflite":
        images = dataset["training"].images[:FACES]
        faces = torch.from_numpy(to_input(images, InputSpec(images.shape[1]))).permute(0, 3, 1, 2)
        model, _, card = recover(path, faces)
        _check_labels(path, card.labels, dataset)
        return Network(model, _name(card))
    checkpoint = load_checkpoint(open_run(path).best if path.is_dir() else path)
    _check_labels(path, checkpoint.labels, dataset)
    families = {"teacher": checkpoint.config.teacher.family, "study": checkpoint.config.study.network}
    family = families.get(checkpoint.kind, "compact")
    return Network(checkpoint.model, f"{family} {checkpoint.metrics['accuracy']:.4f} PublicTest")


def fingerprint(model: nn.Module) -> str:
    """A digest of a network's weights, sha256 in hexadecimal."""
    if isinstance(model, LiteNetwork):
        return hashlib.sha256(model.path.read_bytes()).hexdigest()
    summed = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        summed.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return summed.hexdigest()


def _check_labels(path: Path, labels: tuple[str, ...], dataset: Dataset) -> None:
    names = dataset["training"].names
    if labels != names:
        raise CheckpointError(
            f"{path}: the network has the labels {', '.join(labels)}, the data {', '.join(names)}; see trainer.labels."
        )


def _name(card: ModelCard) -> str:
    return f"{card.name} {card.version} {card.metrics[0]['accuracy']:.4f} PublicTest"
