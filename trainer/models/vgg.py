"""VGG with batch-norm, its three wide layers replaced by the mean over the last map.

Simonyan & Zisserman 2014, arXiv:1409.1556, with batch-norm after each convolution. As a teacher it
makes other errors than a ResNet, which makes an ensemble worth its cost. VGG19 at full width has
20.0 million parameters.
"""

from __future__ import annotations

from torch import Tensor, nn

from trainer.models.layers import conv_bn, mean_of

STAGES = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


class VGGTrunk(nn.Module):
    """(N, inputs, 48, 48) -> (N, 512 x width).

    Args:
        family: vgg11, vgg13, vgg16 or vgg19.
        width: channels as a share of 64-128-256-512-512.
        stem_stride: of the first convolution; 2 is about four times cheaper.
        inputs: channels of a face.
    """

    def __init__(self, family: str, width: float = 1.0, stem_stride: int = 1, inputs: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        stride = stem_stride
        for depth, full in zip(STAGES[family], CHANNELS, strict=True):
            outputs = max(8, round(full * width))
            for _ in range(depth):
                layers += [conv_bn(inputs, outputs, 3, stride), nn.ReLU(inplace=True)]
                inputs, stride = outputs, 1
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers[:-1])  # the last map is averaged as it is
        self.out_features = inputs

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last map over its pixels."""
        return mean_of(self.layers(x))
