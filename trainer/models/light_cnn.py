"""Two small networks of published studies that use every pixel of their last map.

They are the light ResNet of the study of compact networks below 500 thousand parameters, and the
residual CNN on which the student is modelled (Mutaliyev & Kalpeyeva 2026,
doi:10.14569/IJACSA.2026.0170277).
"""

from __future__ import annotations

from torch import Tensor, nn

from trainer.models.layers import ResidualBlock, conv_bn, mean_of


class LightResNetTrunk(nn.Module):
    """(N, inputs, size, size) -> (N, 128 x size / 4 x size / 4): two max-pooled residual blocks.

    The study gives 418 thousand parameters, but no widths. 32-64-128 and one layer from all pixels
    of the last map to seven emotions have 417,255. (With a bias in each convolution, which
    batch-norm removes again, 417,863.)
    """

    def __init__(self, inputs: int = 1, size: int = 48) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(inputs, 32, 3), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(
            *(ResidualBlock(32, 64, 64, stride=1, se=False), nn.MaxPool2d(2)),
            *(ResidualBlock(64, 128, 128, stride=1, se=False), nn.MaxPool2d(2)),
        )
        self.out_features = 128 * (size // 4) ** 2

    def forward(self, x: Tensor) -> Tensor:
        """Features: all pixels of the last map."""
        return self.stages(self.stem(x)).flatten(1)  # type: ignore[no-any-return]


class ResidualCNNTrunk(nn.Module):
    """(N, inputs, size, size) -> (N, 256): max-pooled blocks of 32, 64, 128 channels, 256 units.

    The study's text does not agree with its 552,455 parameters, so both variants are here. With all
    6x6x128 pixels as input of the hidden units there are 1.48 million parameters, with their mean
    over the map 0.33 million.

    Args:
        pooled: the hidden units get the mean of the last map instead of all its pixels.
        blocks: number of blocks; each has twice the channels of the one before.
        shortcut: blocks are residual.
        inputs: channels of a face.
        size: side of a face, pixels.
    """

    def __init__(
        self, pooled: bool = False, blocks: int = 3, shortcut: bool = True, inputs: int = 1, size: int = 48
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        inside = inputs
        for outputs in (32 << index for index in range(blocks)):
            stages += [_block(inside, outputs, shortcut), nn.MaxPool2d(2)]
            inside = outputs
        self.stages = nn.Sequential(*stages)
        self.pooled = pooled
        self.hidden = nn.Sequential(nn.Linear(inside if pooled else inside * (size >> blocks) ** 2, 256), nn.ReLU())
        self.out_features = 256

    def forward(self, x: Tensor) -> Tensor:
        """Features: the hidden units' output."""
        last = self.stages(x)
        return self.hidden(mean_of(last) if self.pooled else last.flatten(1))  # type: ignore[no-any-return]


def _block(inputs: int, outputs: int, shortcut: bool) -> nn.Module:
    if shortcut:
        return ResidualBlock(inputs, outputs, outputs, stride=1, se=False)
    return nn.Sequential(conv_bn(inputs, outputs, 3), nn.ReLU(), conv_bn(outputs, outputs, 3), nn.ReLU())
