"""The student: a compact residual CNN of three blocks, 32-64-128 channels.

Each block has two 3x3 convolutions with batch-norm beside a 1x1 projected shortcut, then ReLU and
2x2 max-pool. Three blocks use only part of the parameter budget. `tail` adds one more residual
block at 6x6, where a convolution has many parameters and little arithmetic. Every operator has an
int8 kernel in XNNPACK.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from trainer.models.layers import ResidualBlock, mean_of


class CompactTrunk(nn.Module):
    """(N, 1, 48, 48) -> (N, channels[-1])."""

    def __init__(
        self, channels: Sequence[int], tail: int = 0, stem_stride: int = 1, se: bool = False, branched: bool = False
    ) -> None:
        super().__init__()
        inputs = [1, *channels[:-1]]
        strides = [stem_stride] + [1] * (len(channels) - 1)
        stages: list[nn.Module] = []
        for i, o, s in zip(inputs, channels, strides, strict=True):
            stages += [ResidualBlock(i, o, o, stride=s, se=se, branched=branched), nn.MaxPool2d(2)]
        if tail:
            stages.append(ResidualBlock(channels[-1], tail, channels[-1], stride=1, se=se, branched=branched))
        self.stages = nn.Sequential(*stages)
        self.out_features = channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last map over its pixels."""
        return mean_of(self.stages(x))
