"""The input form of a study: three channels, a larger side, or another scaling.

Every network takes the device's input, a grey face of 48 pixels in [0, 1]. Another input form is
the network's first layer, so that training, conversion and device need no special case: one fixed
1x1 convolution copies and scales, then the map is interpolated. FER2013's faces have 48 grey
pixels; three channels and 96 pixels cost more and add no information.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FACE_SIDE = 48
SCALINGS = {  # factor and offset for [0, 1] in each channel
    "unit": ((1.0,) * 3, (0.0,) * 3),
    "signed": ((2.0,) * 3, (-1.0,) * 3),
    "imagenet": ((1 / 0.229, 1 / 0.224, 1 / 0.225), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)),
}


class FormedTrunk(nn.Module):
    """A trunk behind its input form: (N, 1, 48, 48) float in [0, 1] -> the trunk's features.

    Args:
        trunk: takes (N, channels, side, side).
        channels: 1, or 3 for the same grey three times.
        side: pixels.
        scaling: a name of `SCALINGS`.
    """

    def __init__(self, trunk: nn.Module, channels: int, side: int, scaling: str) -> None:
        super().__init__()
        factors, offsets = (torch.tensor(values[:channels]) for values in SCALINGS[scaling])
        self.register_buffer("factors", factors.view(channels, 1, 1, 1), persistent=False)
        self.register_buffer("offsets", offsets, persistent=False)
        self.side, self.trunk = side, trunk
        self.out_features = trunk.out_features

    def forward(self, faces: Tensor) -> Tensor:
        """Features of faces (N, 1, 48, 48)."""
        x = functional.conv2d(faces, self.factors, self.offsets)  # type: ignore[arg-type]
        if self.side != FACE_SIDE:
            x = functional.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False)
        return self.trunk(x)  # type: ignore[no-any-return]
