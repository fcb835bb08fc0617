"""The optimiser, the learning rate schedule, and the average of the weights."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from trainer.config import FitConfig

MODULE = "module."  # prefix of the averaged weights' names, as in torch's AveragedModel


def make_optimizer(model: torch.nn.Module, fit: FitConfig) -> torch.optim.Optimizer:
    """The optimiser; matrices and kernels decay, biases and batch-norm do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": fit.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = all(p.is_cuda for p in trained)  # one kernel a step; on a CPU it gains nothing
    if fit.optimizer == "sgd":
        return torch.optim.SGD(groups, fit.lr, fit.momentum, nesterov=fit.momentum > 0, fused=fused)
    kind = torch.optim.Adam if fit.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, fit.lr, fused=fused)


def set_lr(optimizer: torch.optim.Optimizer, fit: FitConfig, position: float, factor: float = 1.0) -> float:
    """Set and return the learning rate at a position in the run.

    Args:
        position: epochs since the start; 2.5 is the middle of the third.
        factor: by which plateaus have reduced it.
    """
    lr = fit.lr * factor
    if position < fit.warmup_epochs:
        lr *= (position + 1e-3) / fit.warmup_epochs
    elif fit.schedule == "cosine":
        left = max(1e-9, fit.epochs - fit.warmup_epochs)
        lr *= 0.5 * (1 + math.cos(math.pi * (position - fit.warmup_epochs) / left))
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


class EMA:
    """Exponential average of a network's weights and buffers.

    The decay grows from 0 to `decay`, so that the random start is soon forgotten. torch's
    `AveragedModel` does the same, but synchronises the GPU at every step.

    Args:
        model: whose weights are averaged; a copy of it holds the average.
        decay: share of the average that is kept at each step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module, self.decay, self.count = copy.deepcopy(model).eval(), decay, 0
        pairs = list(zip(self.module.state_dict().values(), model.state_dict().values(), strict=True))
        self.averaged = [own for own, _ in pairs if own.is_floating_point()]
        self.trained = [new for own, new in pairs if own.is_floating_point()]
        self.counters = [own for own, _ in pairs if not own.is_floating_point()]
        self.counted = [new for own, new in pairs if not own.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Add the current weights to the average."""
        keep = min(self.decay, (1 + self.count) / (10 + self.count)) if self.count else 0.0
        torch._foreach_lerp_(self.averaged, self.trained, 1 - keep)
        if self.counters:
            torch._foreach_copy_(self.counters, self.counted)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates."""
        return {"n_averaged": self.count} | {MODULE + key: value for key, value in self.module.state_dict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.count = int(state["n_averaged"])
        self.module.load_state_dict({key.removeprefix(MODULE): state[key] for key in state if key.startswith(MODULE)})
