"""How weights move: the optimiser, its learning rate over the run, and the average that is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainer.config import FitConfig


def make_optimizer(model: torch.nn.Module, fit: FitConfig) -> torch.optim.Optimizer:
    """The optimiser; matrices and kernels decay, biases and batch-norm do not."""
    taught = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in taught if p.ndim > 1]
    others = [p for p in taught if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": fit.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if fit.optimizer == "sgd":
        return torch.optim.SGD(groups, fit.lr, fit.momentum, nesterov=fit.momentum > 0)
    if fit.optimizer == "adam":
        return torch.optim.Adam(groups, fit.lr)
    return torch.optim.AdamW(groups, fit.lr)


def set_lr(optimizer: torch.optim.Optimizer, fit: FitConfig, position: float, factor: float = 1.0) -> float:
    """Set and return the learning rate at a position in the run.

    Args:
        position: epochs since the start; 2.5 is the middle of the third.
        factor: what plateaus have made of it.
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


def decayed(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential average whose memory grows from nothing to `decay`, so that it soon forgets the random start."""

    @torch.no_grad()
    def average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - keep)
        else:
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)

    return average
