"""Layers that several families share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, linear

from trainer.models.depthwise import DepthwiseConv, learns_on_cpu
from trainer.models.reparam import BranchedConv


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, branched: bool = False, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, padded to keep the size, and batch-norm; a 3x3 may be branched."""
    if branched:
        return nn.Sequential(BranchedConv(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    kind = DepthwiseConv if groups == inputs == outputs > 1 else nn.Conv2d
    convolution = kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def mean_of(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C), written so that the exported graph needs no transpose."""
    return mean_map(x).flatten(1)


def mean_map(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 1, 1).

    Training on a CPU uses pooling, because its gradient has the memory layout of the map.
    """
    if learns_on_cpu(x):
        return avg_pool2d(x, x.shape[2:])
    return x.mean((2, 3), keepdim=True)


def pointwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """(N, C, 1, 1) -> (N, D, 1, 1) by a 1x1 convolution.

    Training on a CPU uses a matrix product, which is faster there.
    """
    if learns_on_cpu(x):
        return linear(x.flatten(1), layer.weight.flatten(1), layer.bias)[..., None, None]
    return layer(x)  # type: ignore[no-any-return]


class SqueezeExcite(nn.Module):
    """Channel gates from the globally averaged map (Hu et al. 2018, arXiv:1709.01507).

    The squeeze has at least 8 channels and a positive initial bias, because an int8 file with a
    dead squeeze (range 0) does not load.

    Args:
        channels: of the map.
        hidden: channels of the squeeze; None takes a sixteenth.
        gate: activation of the excitation.
    """

    def __init__(self, channels: int, hidden: int | None = None, gate: type[nn.Module] = nn.Sigmoid) -> None:
        super().__init__()
        hidden = hidden or max(8, channels // 16)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        nn.init.constant_(self.squeeze.bias, 0.5)  # type: ignore[arg-type]
        self.relu = nn.ReLU(inplace=True)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, each channel scaled by its gate."""
        squeezed = self.relu(pointwise(self.squeeze, mean_map(x)))
        return x * self.gate(pointwise(self.excite, squeezed))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two 3x3 conv-BN beside a shortcut, added, ReLU (He et al. 2015, arXiv:1512.03385).

    Args:
        inputs, hidden, outputs: channels before, between and after the two convolutions.
        stride: of the first convolution.
        se: squeeze-and-excitation at the end of the branch.
        branched: both 3x3 convolutions are branched.
        starts_as_identity: the branch's last batch-norm starts at zero, which helps deep networks.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        stride: int,
        se: bool,
        branched: bool = False,
        starts_as_identity: bool = False,
    ) -> None:
        super().__init__()
        self.first = conv_bn(inputs, hidden, 3, stride, branched=branched)
        self.second = conv_bn(hidden, outputs, 3, branched=branched)
        self.se = SqueezeExcite(outputs) if se else nn.Identity()
        projected = inputs != outputs or stride != 1
        self.shortcut = conv_bn(inputs, outputs, 1, stride) if projected else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        if starts_as_identity:
            nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        branch = self.se(self.second(self.relu(self.first(x))))
        return self.relu(branch + self.shortcut(x))  # type: ignore[no-any-return]
