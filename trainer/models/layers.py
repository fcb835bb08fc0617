"""The few layers that several families share."""

from __future__ import annotations

from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, padded to keep the size, and batch-norm."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class SqueezeExcite(nn.Module):
    """Channel gates from the globally averaged map (Hu et al. 2018, arXiv:1709.01507).

    The squeeze keeps at least 8 channels and a positive bias: an int8 file whose squeeze is dead (range zero) does not load.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        nn.init.constant_(self.squeeze.bias, 0.5)  # type: ignore[arg-type]
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, each channel scaled by its gate."""
        gate = self.excite(self.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()
        return x * gate  # type: ignore[no-any-return]
