"""Finished networks, wherever they lie: in a run folder, a checkpoint, or a .tflite of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from device.model_card import InputSpec
from device.preprocess import to_input
from trainer.checkpoint import load_checkpoint
from trainer.dataset import Dataset
from trainer.models import ExpressionNet
from trainer.recover import recover
from trainer.runs import open_run

FACES = 2048  # of Training, on which a .tflite's batch-norms are measured


@dataclass(frozen=True)
class Network:
    """A network with the name by which cards and summaries remember it."""

    model: ExpressionNet
    name: str


def load_network(path: Path, dataset: Dataset) -> Network:
    """A teacher or a student, in eval mode, on the CPU.

    Args:
        path: a run folder, whose best epoch is taken; a checkpoint; or a .tflite.
        dataset: whose Training faces a .tflite's batch-norms are measured on.

    Raises:
        CheckpointError: there is none, or it cannot be read.
        ModelError: a .tflite that cannot be read.
    """
    if path.suffix == ".tflite":
        images = dataset["training"].images[:FACES]
        faces = torch.from_numpy(to_input(images, InputSpec(images.shape[1]))).permute(0, 3, 1, 2)
        model, _, card = recover(path, faces)
        return Network(model, f"{card.name} {card.version} {card.metrics[0]['accuracy']:.4f} PublicTest")
    checkpoint = load_checkpoint(open_run(path).best if path.is_dir() else path)
    family = checkpoint.config.teacher.family if checkpoint.kind == "teacher" else "compact"
    return Network(checkpoint.model, f"{family} {checkpoint.metrics['accuracy']:.4f} PublicTest")
