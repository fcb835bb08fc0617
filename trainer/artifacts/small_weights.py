"""Weights as int8, a quarter of their size, for networks that must travel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

CODES, SCALES = "codes", "scales"


def shrink(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Matrices and kernels as int8 with one scale for each output channel; the rest as it is."""
    return {name: _shrunk(values) for name, values in weights.items()}


def restore(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights that `shrink` made smaller, as float32; those that it left are left again."""
    return {name: _restored(values) for name, values in weights.items()}


def _shrunk(values: Any) -> Any:
    if not isinstance(values, Tensor) or values.ndim < 2 or not values.is_floating_point():
        return values
    rows = values.detach().float().cpu().flatten(1)
    scales = rows.abs().amax(1).clamp_min(1e-12) / 127
    codes = (rows / scales.unsqueeze(1)).round().to(torch.int8)
    return {CODES: codes.view(values.shape), SCALES: scales}


def _restored(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    codes, scales = values[CODES], values[SCALES]
    return codes.float() * scales.view(-1, *[1] * (codes.ndim - 1))
