"""A new network with the weights that its run starts with."""

from __future__ import annotations

import torch

from trainer.artifacts.checkpoint import build
from trainer.artifacts.loading import Network
from trainer.config import TrainConfig, fit_of
from trainer.data.dataset import FaceSet
from trainer.errors import CheckpointError
from trainer.models import ExpressionNet


def build_model(kind: str, config: TrainConfig, training: FaceSet, votes: int, start: Network | None) -> ExpressionNet:
    """A new network of a kind, on the CPU.

    Args:
        kind: "teacher", "student" or "study".
        config: of the run.
        training: the faces whose class frequencies the bias may start with.
        votes: number of columns of the second head; 0 builds none.
        start: the network whose weights it gets; None draws them at random.

    Raises:
        CheckpointError: `start` has another architecture.
    """
    model = build(kind, config, len(training.names), votes)
    if fit_of(kind, config).bias_from_frequencies:
        set_bias_from_frequencies(model, training)
    if start is not None:
        copy_weights(model, start)
    return model


@torch.no_grad()
def set_bias_from_frequencies(model: ExpressionNet, faces: FaceSet) -> None:
    """Set the head's bias to the log of the class frequencies."""
    counts = torch.bincount(torch.from_numpy(faces.labels), minlength=len(faces.names)).clamp_min(1)
    model.head.bias.copy_((counts / counts.sum()).log())


def copy_weights(model: ExpressionNet, start: Network) -> None:
    """Copy the weights of a trained network into a new one.

    A second head that `start` lacks keeps its random weights.

    Raises:
        CheckpointError: the two have different architectures.
    """
    weights = {k: v for k, v in start.model.state_dict().items() if not k.startswith("votes.")}
    if start.model.votes is not None and model.votes is not None:
        weights = start.model.state_dict()
    own = {k: v.shape for k, v in model.state_dict().items() if k in weights or not k.startswith("votes.")}
    if own != {k: v.shape for k, v in weights.items()}:
        raise CheckpointError(f"{start.name} has other layers than the network to train; start from another one.")
    model.load_state_dict(weights, strict=False)
