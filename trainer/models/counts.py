"""How large and how dear a network is: parameters and multiply-accumulates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainer.models.branches import fuse_branches


def count_parameters(model: nn.Module) -> int:
    """Parameters that the device will hold: what serves training only, the second head and branches, is left out."""
    held = fuse_branches(model).named_parameters()
    return sum(p.numel() for name, p in held if not name.startswith("votes."))


@torch.no_grad()
def count_macs(model: nn.Module, size: int = 48) -> int:
    """Multiply-accumulates of all convolutions and linear layers for one (1, 1, size, size) face."""
    total = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules()]
    was_training = model.training
    parameter = next(model.parameters())
    model.eval()(torch.zeros(1, 1, size, size, device=parameter.device, dtype=parameter.dtype))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return total
