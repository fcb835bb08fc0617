"""The teachers of a run, as one: the mean of their softened shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainer.artifacts.loading import Teacher
from trainer.config import TrainConfig
from trainer.training.batches import channels_last
from trainer.training.losses import softened
from trainer.training.precision import autocast

M = TypeVar("M", bound=nn.Module)


class Teachers:
    """Networks that classify together.

    Args:
        teachers: the networks, at least one.
        config: `distill` says how softly and whether mirror images count, `compile` and `bf16` how
            fast.
        device: the training device.
    """

    def __init__(self, teachers: Sequence[Teacher], config: TrainConfig, device: torch.device) -> None:
        networks = [to_device(teacher.model, device).eval() for teacher in teachers]
        self.networks = [torch.compile(network) for network in networks] if config.compile else networks
        self.config, self.device = config, device

    @torch.no_grad()
    def classify(self, faces: Tensor) -> Tensor:
        """Mean softened shares (N, K) of faces (N, 1, S, S) float in [0, 1].

        With `mirror`, they are the mean over faces and mirror images.
        """
        distill = self.config.distill
        views = [faces, channels_last(faces.flip(3))] if distill.mirror else [faces]
        with autocast(self.device, self.config.bf16):
            logits = [network(view) for network in self.networks for view in views]
        return softened(logits, distill.temperature)


def to_device(model: M, device: torch.device) -> M:
    """The network on the training device, in the memory layout that is fastest there."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]
