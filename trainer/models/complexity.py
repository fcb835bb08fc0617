"""The size and cost of a network: parameters and multiply-accumulates."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainer.models.reparam import fuse_branches


def count_parameters(model: nn.Module) -> int:
    """Parameters on the device, without those of training only: second head and branches."""
    held = fuse_branches(model).named_parameters()
    return sum(p.numel() for name, p in held if not name.startswith("votes."))


@torch.no_grad()
def count_macs(model: nn.Module, size: int = 48) -> int:
    """Multiply-accumulates of convolutions and matrix products for a (1, 1, size, size) face."""
    was_training, parameter = model.training, next(model.parameters())
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 1, size, size, device=parameter.device, dtype=parameter.dtype))
    model.train(was_training)
    return int(counter.get_total_flops()) // 2  # it counts multiplications and additions
