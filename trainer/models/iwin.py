"""Iwin-T: window attention over interleaved tokens, without position embedding.

Huo & Li 2025, arXiv:2507.18405. A window holds tokens that are far apart, at even steps over the
whole map, by reshape, transpose and reshape. The depthwise convolution beside it connects
neighbours and encodes the position. These details are from the authors' code
(github.com/Cominder/Iwin-Transformer, MIT), written anew here: 96-192-384-768 channels, 2-2-6-2
blocks, 3-6-12-24 heads; the branch is depthwise only, and left out where one window covers the map;
stages are joined by layer-norm and a 3x3 of stride 2. At 224 pixels, three channels and 1,000
classes this has the published 30.2 million parameters. Our choice: patches of 2 and windows of 6
for 48 pixels, so that maps of 24, 12, 6 and 3 divide evenly; no drop-path by default.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.models.depthwise import DepthwiseConv


class InterleavedAttention(nn.Module):
    """Multi-head self-attention in windows whose tokens are `side / window` apart.

    Args:
        channels: of a token.
        heads: of the attention; they share the channels.
        side: of the map, tokens.
        window: side of a window, tokens; divides `side`.
    """

    def __init__(self, channels: int, heads: int, side: int, window: int) -> None:
        super().__init__()
        self.heads, self.window, self.step = heads, window, side // window
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, side, side, C) -> the same."""
        n, side, _, channels = x.shape
        w, step = self.window, self.step
        windows = x.view(n, w, step, w, step, channels).permute(0, 2, 4, 1, 3, 5).reshape(-1, w * w, channels)
        parts = self.qkv(windows).view(len(windows), w * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*parts.unbind(0))  # (windows, heads, w * w, C / heads)
        output = self.out(attended.transpose(1, 2).reshape(-1, w * w, channels))
        return output.view(n, step, step, w, w, channels).permute(0, 3, 1, 4, 2, 5).reshape(n, side, side, channels)  # type: ignore[no-any-return]


class IwinBlock(nn.Module):
    """Interleaved attention beside a depthwise 3x3, then two layers; each added to its input.

    Args:
        channels: of a token.
        heads: of the attention.
        side: of the map, tokens.
        window: largest side of a window, tokens.
        drop: probability of leaving out a branch for a whole face, in training.
    """

    def __init__(self, channels: int, heads: int, side: int, window: int, drop: float) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = InterleavedAttention(channels, heads, side, min(window, side))
        self.depthwise = DepthwiseConv(channels, channels, 3, padding=1, groups=channels) if side > window else None
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """(N, side, side, C) -> the same."""
        normed = self.attention_norm(x)
        mixed = self.attention(normed)
        if self.depthwise is not None:
            mixed = mixed + self.depthwise(normed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self._dropped(mixed)
        return x + self._dropped(self.mlp(self.mlp_norm(x)))

    def _dropped(self, branch: Tensor) -> Tensor:
        if not (self.training and self.drop):
            return branch
        kept = torch.rand(len(branch), 1, 1, 1, device=branch.device) >= self.drop
        return branch * kept / (1 - self.drop)


class Downsample(nn.Module):
    """Layer-norm and a 3x3 convolution of stride 2, to twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.convolution = nn.Conv2d(channels, 2 * channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, side, side, C) -> (N, side / 2, side / 2, 2 C)."""
        x = functional.pad(self.norm(x).permute(0, 3, 1, 2), (0, 1, 0, 1))
        return self.convolution(x).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class IwinTrunk(nn.Module):
    """(N, inputs, size, size) -> (N, 768).

    Args:
        depths: blocks in each of the four stages.
        heads: of their attention.
        channels: of the first stage; each following one has twice as many.
        patch: side of the square that becomes one token, pixels.
        window: side of a window, tokens; divides the side of every map above it.
        drop_path: probability of leaving out a branch of the last block; grows linearly to it.
        inputs: channels of a face.
        size: side of a face, pixels.
    """

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (3, 6, 12, 24),
        channels: int = 96,
        patch: int = 2,
        window: int = 6,
        drop_path: float = 0.0,
        inputs: int = 1,
        size: int = 48,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(inputs, channels, patch, patch)
        self.patches_norm = nn.LayerNorm(channels)
        drops = iter(torch.linspace(0, drop_path, sum(depths), device="cpu").tolist())
        stages: list[nn.Module] = []
        for index, (depth, count) in enumerate(zip(depths, heads, strict=True)):
            wide, side = channels << index, size // patch >> index
            stages += [Downsample(wide // 2)] if index else []
            stages += [IwinBlock(wide, count, side, window, next(drops)) for _ in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.out_features = channels << (len(depths) - 1)
        self.norm = nn.LayerNorm(self.out_features)
        self.apply(_init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Features: the mean of the last tokens."""
        tokens = self.patches_norm(self.patches(x).permute(0, 2, 3, 1))
        return self.norm(self.stages(tokens)).mean((1, 2))  # type: ignore[no-any-return]


def _init_weights(module: nn.Module) -> None:
    """Initialise weights as the authors do."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
