"""The teacher: ResNet for 48x48 faces, with squeeze-and-excitation or without.

ResNet (He et al. 2015, arXiv:1512.03385) of basic blocks, SE after each residual branch (Hu et al. 2018,
arXiv:1709.01507), in the form used for FER2013: 3x3 stem of stride 1 and no max-pool, so that a face keeps its detail.
SE-ResNet34 at full width has 21.4 million parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from trainer.models.layers import ResidualBlock, conv_bn


class ResNetTrunk(nn.Module):
    """(N, 1, 48, 48) -> (N, 512 x width).

    Args:
        depths: basic blocks in each of the four stages.
        se: squeeze-and-excitation in every block.
        width: channels as a share of 64-128-256-512.
        stem_stride: 1 keeps the full resolution in the first stage, 2 is about four times cheaper.
    """

    def __init__(self, depths: Sequence[int], se: bool, width: float = 1.0, stem_stride: int = 1) -> None:
        super().__init__()
        channels = [max(8, round(c * width)) for c in (64, 128, 256, 512)]
        self.stem = nn.Sequential(conv_bn(1, channels[0], 3, stem_stride), nn.ReLU(inplace=True))
        blocks: list[nn.Module] = []
        inputs = channels[0]
        for stage, (depth, outputs) in enumerate(zip(depths, channels, strict=True)):
            for index in range(depth):
                stride = 2 if stage and not index else 1
                blocks.append(ResidualBlock(inputs, outputs, outputs, stride=stride, se=se, starts_as_identity=True))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.out_features = channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last map over its pixels."""
        return self.blocks(self.stem(x)).mean((2, 3))  # type: ignore[no-any-return]
