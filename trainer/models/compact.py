"""The student: a compact residual CNN of three blocks, 32-64-128 channels.

Each block: two 3x3 convolutions with batch-norm beside a 1x1 projected shortcut, ReLU, then 2x2 max-pool. The seed form
leaves a good part of the parameter budget unspent; `tail` spends it on one more residual block at 6x6, where a
convolution costs many parameters and hardly any arithmetic. Every operator here has an int8 kernel in XNNPACK.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from trainer.models.layers import SqueezeExcite, conv_bn


class ResidualBlock(nn.Module):
    """Two 3x3 conv-BN and a shortcut, added, ReLU; the shortcut is a 1x1 conv-BN where shapes differ."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int = 1, se: bool = False) -> None:
        super().__init__()
        self.first = conv_bn(inputs, hidden, 3, stride)
        self.second = conv_bn(hidden, outputs, 3)
        self.se = SqueezeExcite(outputs) if se else nn.Identity()
        projected = inputs != outputs or stride != 1
        self.shortcut = conv_bn(inputs, outputs, 1, stride) if projected else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        branch = self.se(self.second(self.relu(self.first(x))))
        return self.relu(branch + self.shortcut(x))  # type: ignore[no-any-return]


class CompactTrunk(nn.Module):
    """(N, 1, 48, 48) -> (N, channels[-1])."""

    def __init__(self, channels: Sequence[int], tail: int = 0, stem_stride: int = 1, se: bool = False) -> None:
        super().__init__()
        inputs = [1, *channels[:-1]]
        strides = [stem_stride] + [1] * (len(channels) - 1)
        stages: list[nn.Module] = []
        for i, o, s in zip(inputs, channels, strides, strict=True):
            stages += [ResidualBlock(i, o, o, s, se), nn.MaxPool2d(2)]
        if tail:
            stages.append(ResidualBlock(channels[-1], tail, channels[-1], se=se))
        self.stages = nn.Sequential(*stages)
        self.out_features = channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last map over its pixels."""
        return self.stages(x).mean((2, 3), keepdim=True).flatten(1)  # type: ignore[no-any-return]
