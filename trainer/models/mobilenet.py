"""MobileNets for faces of 48 pixels, and a light one of about 130 thousand parameters.

MobileNetV2: Sandler et al. 2018, arXiv:1801.04381. V3: Howard et al. 2019, arXiv:1905.02244. The
first and the last stride are 1 instead of 2, so that 48 pixels end as a map of 6x6. The SE-ResNet
study gives 2.3, 4.2 and 1.8 million parameters. V3-Large as published has 4.2. Known variants match
the other two, so we use them: V2 with a 1x1 shortcut wherever the stride is 1, as in code for CIFAR
(2.31; as published 2.23), and V3-Small with a gate on its last map, as in its paper's table, and
1,280 hidden units like Large (1.84, 2.3 % above the study's rounded number; with neither 1.53).
Hard-swish has no int8 kernel in XNNPACK.

The light MobileNetV2 of the study of compact networks has no strides before 24 channels, no stages
of 160 and 320, and 128 channels at its end. The study does not give the number of blocks. Two of 32
channels and one of each other width are nearest to its 130 thousand (132,359).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from trainer.models.layers import SqueezeExcite, conv_bn, mean_of

V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
LIGHT = ((1, 16, 1, 1), (6, 24, 1, 1), (6, 32, 2, 2), (6, 64, 1, 2), (6, 96, 1, 1))
V3_LARGE = (
    *((3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1)),
    *((5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1)),
    *((3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1)),
    *((3, 184, 80, False, True, 1), (3, 184, 80, False, True, 1)),
    *((3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1)),
    *((5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1)),
)
V3_SMALL = (
    *((3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1)),
    *((5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1)),
    *((5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1)),
    *((5, 288, 96, True, True, 2), (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1)),
)


class InvertedResidual(nn.Module):
    """1x1 to many channels, depthwise, linear 1x1 to few; added to the input where it fits.

    Args:
        inputs, hidden, outputs: channels; if `hidden` equals `inputs`, there is no first 1x1.
        kernel: of the depthwise convolution.
        stride: of the depthwise convolution.
        activation: after the first two.
        se: squeeze-and-excitation before the last 1x1.
        projected: at stride 1, a 1x1 shortcut connects input and output of different channels.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU6,
        se: bool = False,
        projected: bool = False,
    ) -> None:
        super().__init__()
        expand = [conv_bn(inputs, hidden, 1), activation()] if hidden != inputs else []
        gate = [SqueezeExcite(hidden, _eighths(hidden // 4), nn.Hardsigmoid)] if se else []
        depthwise = conv_bn(hidden, hidden, kernel, stride, groups=hidden)
        self.branch = nn.Sequential(*expand, depthwise, activation(), *gate, conv_bn(hidden, outputs, 1))
        self.shortcut: nn.Module | None = None
        if stride == 1 and (projected or inputs == outputs):
            self.shortcut = nn.Identity() if inputs == outputs else conv_bn(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        branch: Tensor = self.branch(x)
        return branch if self.shortcut is None else branch + self.shortcut(x)


class MobileNetV2Trunk(nn.Module):
    """(N, inputs, 48, 48) -> (N, last).

    Args:
        stages: expansion, channels, number of blocks and first stride of each.
        last: channels of the 1x1 before the mean.
        stem_stride: of the first convolution.
        last_stride: of the last stage that has a stride; None leaves it.
        projected: see `InvertedResidual`.
        inputs: channels of a face.
    """

    def __init__(
        self,
        stages: Sequence[tuple[int, int, int, int]] = V2,
        last: int = 1280,
        stem_stride: int = 1,
        last_stride: int | None = 1,
        projected: bool = True,
        inputs: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(inputs, 32, 3, stem_stride), nn.ReLU6()]
        inside = 32
        strides = _with_last([stage[3] for stage in stages], last_stride)
        for (expansion, outputs, depth, _), first in zip(stages, strides, strict=True):
            for stride in [first] + [1] * (depth - 1):
                hidden = inside * expansion
                layers.append(InvertedResidual(inside, hidden, outputs, stride=stride, projected=projected))
                inside = outputs
        self.layers = nn.Sequential(*layers, conv_bn(inside, last, 1), nn.ReLU6())
        self.out_features = last

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last map over its pixels."""
        return mean_of(self.layers(x))


class MobileNetV3Trunk(nn.Module):
    """(N, inputs, 48, 48) -> (N, hidden).

    Args:
        blocks: of each the kernel, hidden channels, channels, whether it has a gate, whether it has
            hard-swish, and the stride.
        hidden: units of the layer before the head.
        gated: the last map is gated too.
        stem_stride: of the first convolution.
        last_stride: of the last block that has a stride; None leaves it.
        inputs: channels of a face.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[int, int, int, bool, bool, int]],
        hidden: int = 1280,
        gated: bool = False,
        stem_stride: int = 1,
        last_stride: int | None = 1,
        inputs: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(inputs, 16, 3, stem_stride), nn.Hardswish()]
        inside = 16
        strides = _with_last([block[5] for block in blocks], last_stride)
        for (kernel, wide, outputs, se, swish, _), stride in zip(blocks, strides, strict=True):
            activation = nn.Hardswish if swish else partial(nn.ReLU, inplace=True)
            shape = (inside, wide, outputs)
            layers.append(InvertedResidual(*shape, kernel=kernel, stride=stride, activation=activation, se=se))
            inside = outputs
        last = inside * 6
        gate = [SqueezeExcite(last, _eighths(last // 4), nn.Hardsigmoid)] if gated else []
        self.layers = nn.Sequential(*layers, conv_bn(inside, last, 1), nn.Hardswish(), *gate)
        self.hidden = nn.Sequential(nn.Linear(last, hidden), nn.Hardswish())
        self.out_features = hidden

    def forward(self, x: Tensor) -> Tensor:
        """Features: the hidden layer's output for the mean of the last map."""
        return self.hidden(mean_of(self.layers(x)))  # type: ignore[no-any-return]


def _with_last(strides: list[int], last: int | None) -> list[int]:
    """The strides, the last of those above 1 replaced."""
    index = max(i for i, stride in enumerate(strides) if stride > 1)
    return [last if i == index and last is not None else stride for i, stride in enumerate(strides)]


def _eighths(channels: int) -> int:
    """The nearest multiple of eight that is at most a tenth less, as in MobileNet's gates."""
    rounded = max(8, (channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
