"""Depthwise convolutions that train fast on a CPU.

oneDNN computes two of their gradients slowly in bfloat16: that of the input with a stride, and that
of weights above 3x3, which is slow in float32 too. Here the first is computed in float32. The
second, on small maps, is one matrix product for each channel: every input pixel with every output
gradient, summed over the batch. The gradient of a kernel tap is the sum of the pairs whose offset
is that of the tap from the kernel's centre.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

PIXELS = 144  # of the largest map for which the matrix product is faster
CACHED = 2_500_000  # floats processed at once; more would not fit the cache


def learns_on_cpu(x: Tensor) -> bool:
    """Whether autocast is active on a CPU; an export and a GPU use PyTorch's kernels."""
    return x.device.type == "cpu" and torch.is_autocast_enabled("cpu")


class DepthwiseConv(nn.Conv2d):
    """A square depthwise convolution; under autocast on a CPU its gradients are the fast ones."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / stride, W / stride), of autocast's type."""
        if not learns_on_cpu(x):
            return super().forward(x)
        narrow = torch.get_autocast_dtype("cpu")
        parts = (None if part is None else part.to(narrow) for part in (x, self.weight, self.bias))
        how = (self.stride[0], self.padding[0])
        return _Depthwise.apply(*parts, *how)  # type: ignore[no-any-return, no-untyped-call]


class _Depthwise(torch.autograd.Function):
    """(N, C, H, W), weights (C, 1, K, K) and biases (C,) or None -> a map; half precision."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, weight), stride = gradients, ctx.saved_tensors, ctx.stride
        kernel, how = weight.shape[2], (stride, ctx.padding)
        all_of_it = (gradient, x, weight, *how)
        back = taps = biases = None
        if ctx.needs_input_grad[0]:
            back = _plain(0, *all_of_it) if stride == 1 else _of_input_by_parts(*all_of_it)
        if ctx.needs_input_grad[1]:
            if kernel <= 3:
                taps = _plain(1, *all_of_it)
            elif stride == 1 and x[0, 0].numel() <= PIXELS:
                taps = _of_weights_by_pairs(gradient, x, kernel)
            else:
                taps = _plain(1, gradient.float(), x.float(), weight.float(), *how)
        if ctx.needs_input_grad[2]:
            biases = gradient.sum((0, 2, 3))
        return back, taps, biases, None, None


def _plain(which: int, gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """PyTorch's gradient of the input (0) or the weights (1); it uses only its shape."""
    how = (None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight), [which == 0, which == 1, False])
    return torch.ops.aten.convolution_backward(gradient, x, weight, *how)[which]  # type: ignore[no-any-return]


def _of_input_by_parts(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """The gradient of the input in float32, in parts that fit the processor's cache."""
    back, parts = torch.empty_like(x), math.ceil(x.numel() / CACHED)
    for some, into in zip(gradient.chunk(parts), back.chunk(parts), strict=True):
        like = torch.empty_like(into, dtype=torch.float32)
        into.copy_(_plain(0, some.float(), like, weight.float(), stride, padding))
    return back


def _of_weights_by_pairs(gradient: Tensor, x: Tensor, kernel: int) -> Tensor:
    """The gradient (C, 1, K, K) of the weights, from input and gradient, both (N, C, H, W)."""
    of_channels = [part.permute(1, 2, 3, 0).flatten(1, 2) for part in (gradient, x)]
    pairs = torch.bmm(of_channels[0], of_channels[1].transpose(1, 2))
    return (pairs.flatten(1).float() @ _apart(*x.shape[2:], kernel)).view(-1, 1, kernel, kernel)


@cache
def _apart(height: int, width: int, kernel: int) -> Tensor:
    """1 where the offset of two pixels is that of the tap, else 0: (H W H W, K K)."""
    y, x = (part.flatten() for part in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    down, right = (part[None] - part[:, None] + kernel // 2 for part in (y, x))
    taps = torch.arange(kernel)
    return ((down[..., None, None] == taps[:, None]) & (right[..., None, None] == taps)).float().view(-1, kernel**2)
