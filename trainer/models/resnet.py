"""ResNet for faces of 48 pixels, with or without squeeze-and-excitation (SE).

ResNet (He et al. 2015, arXiv:1512.03385) of basic blocks or bottlenecks, with SE after each
residual branch (Hu et al. 2018, arXiv:1709.01507). As usual for FER2013, the stem is a 3x3 of
stride 1 without max-pool, so that a face keeps its detail. At full width and for seven emotions,
ResNet18, 34 and 50 have 11.2, 21.3 and 23.5 million parameters, with SE 11.3, 21.4 and 26.0;
ResNet152 has 58.1. With the stem of ImageNet, torchvision's weights fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from trainer.models.layers import ResidualBlock, SqueezeExcite, conv_bn, mean_of

EXPANSION = 4  # a bottleneck's output channels, as a multiple of those inside it


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 conv-BN beside a shortcut, added, ReLU; the 3x3 has the stride.

    Args:
        inputs, hidden, outputs: channels before the first, between, and after the last convolution.
        stride: of the 3x3.
        se: squeeze-and-excitation at the end of the branch.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, stride: int, se: bool) -> None:
        super().__init__()
        self.first = conv_bn(inputs, hidden, 1)
        self.second = conv_bn(hidden, hidden, 3, stride)
        self.third = conv_bn(hidden, outputs, 1)
        self.se = SqueezeExcite(outputs) if se else nn.Identity()
        projected = inputs != outputs or stride != 1
        self.shortcut = conv_bn(inputs, outputs, 1, stride) if projected else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        nn.init.zeros_(self.third[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        branch = self.se(self.third(self.relu(self.second(self.relu(self.first(x))))))
        return self.relu(branch + self.shortcut(x))  # type: ignore[no-any-return]


class ResNetTrunk(nn.Module):
    """(N, inputs, 48, 48) -> (N, 512 x width), four times as many of bottlenecks.

    Args:
        depths: blocks in each of the four stages.
        se: squeeze-and-excitation in every block.
        width: channels as a share of 64-128-256-512.
        stem_stride: 1 keeps the full resolution in the first stage, 2 is about four times cheaper.
        last_stride: of the fourth stage.
        bottleneck: blocks are bottlenecks.
        imagenet_stem: 7x7 of stride 2 and max-pool, as in torchvision's weights; `stem_stride` is
            not used.
        inputs: channels of a face.
    """

    def __init__(
        self,
        depths: Sequence[int],
        se: bool,
        width: float = 1.0,
        stem_stride: int = 1,
        last_stride: int = 2,
        bottleneck: bool = False,
        imagenet_stem: bool = False,
        inputs: int = 1,
    ) -> None:
        super().__init__()
        channels = [max(8, round(c * width)) for c in (64, 128, 256, 512)]
        self.depths, self.first_trained = tuple(depths), 0
        self.stem = _imagenet_stem(inputs, channels[0]) if imagenet_stem else _stem(inputs, channels[0], stem_stride)
        blocks: list[nn.Module] = []
        inside = channels[0]
        for depth, hidden, first in zip(depths, channels, (1, 2, 2, last_stride), strict=True):
            for stride in [first] + [1] * (depth - 1):
                blocks.append(_block(inside, hidden, stride, se, bottleneck))
                inside = hidden * EXPANSION if bottleneck else hidden
        self.blocks = nn.Sequential(*blocks)
        self.out_features = inside

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last map over its pixels."""
        return mean_of(self.blocks(self.stem(x)))

    def stage(self, number: int) -> nn.Module:
        """The blocks of one stage, counted from 1; 0 is the stem."""
        if not number:
            return self.stem
        first = sum(self.depths[: number - 1])
        return self.blocks[first : first + self.depths[number - 1]]

    def train(self, mode: bool = True) -> Self:
        """Set the mode; batch-norms of frozen stages keep their statistics."""
        super().train(mode)
        for number in range(self.first_trained):
            self.stage(number).eval()
        return self


def _stem(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(conv_bn(inputs, outputs, 3, stride), nn.ReLU(inplace=True))


def _imagenet_stem(inputs: int, outputs: int) -> nn.Sequential:
    """After ReLU no value is negative, so zeros can pad the max-pool, which int8 supports."""
    pool = (nn.ZeroPad2d(1), nn.MaxPool2d(3, 2))
    return nn.Sequential(conv_bn(inputs, outputs, 7, 2), nn.ReLU(inplace=True), *pool)


def _block(inputs: int, hidden: int, stride: int, se: bool, bottleneck: bool) -> nn.Module:
    if bottleneck:
        return Bottleneck(inputs, hidden, hidden * EXPANSION, stride=stride, se=se)
    return ResidualBlock(inputs, hidden, hidden, stride=stride, se=se, starts_as_identity=True)
