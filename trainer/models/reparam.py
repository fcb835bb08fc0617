"""Train-time branches: a convolution that is trained as four and exported as one."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

Network = TypeVar("Network", bound=nn.Module)
SIDES = {"row": (1, 3), "column": (3, 1), "point": (1, 1)}  # kernels beside the 3x3, by name


class BranchedConv(nn.Conv2d):
    """The sum of a 3x3, a 1x3, a 3x1 and a 1x1 convolution without bias, each scaled by channel.

    The asymmetric branches are ACNet's (Ding et al. 2019, arXiv:1908.03930). There is one
    batch-norm after the sum, not one in each branch, which would cost accuracy in int8 (QARepVGG,
    arXiv:2212.01593). The scales make the branches more than one kernel with other learning rates
    (OREPA, arXiv:2204.00826). So the kernels are summed first, and one convolution is run.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, 1, bias=False)
        self.scales = nn.ParameterDict({name: torch.ones(outputs) for name in ("square", *SIDES)})
        self.sides = nn.ParameterDict({name: torch.empty(outputs, inputs, *side) for name, side in SIDES.items()})
        for kernel in self.sides.values():
            nn.init.uniform_(kernel, -1 / math.sqrt(9 * inputs), 1 / math.sqrt(9 * inputs))  # as the 3x3

    def kernel(self) -> Tensor:
        """The 3x3 kernel that equals all branches together: (outputs, inputs, 3, 3)."""
        total: Tensor = self.weight * self.scales["square"].view(-1, 1, 1, 1)
        for name, kernel in self.sides.items():
            height, width = SIDES[name]
            scaled = kernel * self.scales[name].view(-1, 1, 1, 1)
            total = total + pad(scaled, [(3 - width) // 2] * 2 + [(3 - height) // 2] * 2)
        return total

    def forward(self, input: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return self._conv_forward(input, self.kernel(), None)  # type: ignore[no-any-return]

    def fused(self) -> nn.Conv2d:
        """The plain convolution that equals this one."""
        plain = nn.Conv2d(self.in_channels, self.out_channels, 3, self.stride, 1, bias=False)  # type: ignore[arg-type]
        plain.weight = nn.Parameter(self.kernel().detach())
        return plain

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load a plain convolution's weights into the 3x3; the other branches are then zero."""
        if f"{prefix}scales.square" not in state_dict and f"{prefix}weight" in state_dict:
            with torch.no_grad():
                for name, scale in self.scales.items():
                    scale.fill_(name == "square")
            own = {prefix + key: value for key, value in self.state_dict().items() if key != "weight"}
            state_dict.update(own)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def fuse_branches(model: Network) -> Network:
    """A copy in which every branched convolution is replaced by the plain one that equals it."""
    fused = copy.deepcopy(model)
    for module in list(fused.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, BranchedConv):
                setattr(module, name, child.fused())
    return fused
