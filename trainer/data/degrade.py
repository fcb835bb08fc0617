"""Faults of a camera on a batch of faces, drawn on the training device.

Distillation can show them to the student only, while the teachers see the clean view, as in noisy
student training (Xie et al. 2020, arXiv:1911.04252). `trainer.data.corruptions` measures what such
a student is worth; the kinds are related, so that figure is not of unknown faults.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.augment import Random

KERNEL = 11  # side of the blur kernels, pixels: the longest motion blur
SIDES = (36, 26, 20, 16)  # of a low resolution, pixels
READ_NOISE = 2 / 255  # of the sensor, of the range 0 to 1

Fault = Callable[[Tensor, Tensor, Random], Tensor]
"""Faces (N, 1, S, S) float in [0, 1], strengths (N,) in [0, 1] -> the same shape, not clipped."""


def degrade(faces: Tensor, share: float, random: Random) -> Tensor:
    """Give a share of the faces one fault each, of a random kind and strength.

    Args:
        faces: (N, 1, S, S) float in [0, 1].
        share: probability of a fault, 0 to 1.
        random: source of randomness, on the device of the faces.

    Returns:
        Faces of the same shape and range.
    """
    if not share:  # without faults no numbers are drawn for them
        return faces
    kind = random.uniform(len(faces), 0.0, len(FAULTS) / share).long()
    strength = random.uniform(len(faces), 0.0)
    result = faces.clone()
    for number, fault in enumerate(FAULTS):
        chosen = (kind == number).nonzero().flatten()
        if len(chosen):
            result[chosen] = fault(faces[chosen], strength[chosen], random).clamp(0, 1)
    return result


def sensor_noise(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """Noise of up to 0.16 of the range; half of the faces have the more the brighter a pixel is."""
    sigma = _spread(strength) * 0.16
    by_light = _spread(random.uniform(len(faces))) > 0
    return faces + sigma * torch.where(by_light, 1.6 * faces.sqrt(), 1.0) * random.normal(faces.shape)


def impulse_noise(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """Up to 18 % of the pixels become black or white."""
    drawn = random.normal(faces.shape)
    limit = math.sqrt(2) * torch.erfinv(1 - 0.18 * _spread(strength).clamp_min(1e-3))
    return torch.where(drawn.abs() > limit, (drawn > 0).to(faces.dtype), faces)


def defocus(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """Each point becomes a disc of 1 to 4 pixels radius."""
    y, x = _plane(faces)
    radius = _spread(1 + 3 * strength)
    return _blurred(faces, (radius + 0.5 - (x**2 + y**2).sqrt()).clamp(0, 1))


def motion_blur(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """Each point becomes a line of 2 to 11 pixels in any direction."""
    y, x = _plane(faces)
    angle, half = _spread(random.uniform(len(faces), 0.0, math.pi)), _spread(1 + 4.5 * strength)
    along = x * torch.cos(angle) + y * torch.sin(angle)
    across = y * torch.cos(angle) - x * torch.sin(angle)
    return _blurred(faces, (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1))


def low_resolution(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """A face far away: one of `SIDES`, enlarged again."""
    result = faces.clone()
    which = (strength * len(SIDES)).long().clamp_max(len(SIDES) - 1)
    for number, side in enumerate(SIDES):
        chosen = (which == number).nonzero().flatten()
        if len(chosen):
            small = functional.interpolate(faces[chosen], size=(side, side), mode="area")
            result[chosen] = functional.interpolate(small, size=faces.shape[2:], mode="bilinear", align_corners=False)
    return result


def exposure(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """Up to 1.5 stops too much light, or up to 4 too little with the sensor's noise."""
    bright = _spread(random.uniform(len(faces))) > 0
    level = _spread(strength)
    dark = faces * torch.exp2(-4 * level) + READ_NOISE * random.normal(faces.shape)
    return torch.where(bright, faces * torch.exp2(1.5 * level), dark)


def low_contrast(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """Down to 8 % of the contrast is kept."""
    mean = faces.mean((1, 2, 3), keepdim=True)
    return mean + (faces - mean) * (1 - 0.92 * _spread(strength))


def tilt(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """The head is tilted by up to 40 degrees either way."""
    angle = random.uniform(len(faces)).sign() * strength * math.radians(40)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    rows = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    grid = functional.affine_grid(rows, list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def cover(faces: Tensor, strength: Tensor, random: Random) -> Tensor:
    """A band of one grey hides up to 45 % of the height from below, or a fifth across the eyes."""
    side = faces.shape[-1]
    row = (torch.arange(side, device=faces.device) + 0.5).view(1, 1, side, 1) / side
    below = row > 1 - 0.45 * _spread(strength)
    across = (row - 0.37).abs() < 0.1 * _spread(strength)
    hidden = torch.where(_spread(random.uniform(len(faces))) > 0, below, across)
    return torch.where(hidden, _spread(random.uniform(len(faces), 0.0)), faces)


FAULTS: tuple[Fault, ...] = (
    sensor_noise, impulse_noise, defocus, motion_blur, low_resolution, exposure, low_contrast, tilt, cover,
)  # fmt: skip
"""All faults; each is as likely as the others."""


def _spread(values: Tensor) -> Tensor:
    """(N,) -> (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)


def _plane(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel positions y and x of a kernel around its middle, (1, 1, KERNEL, KERNEL) each."""
    steps = torch.arange(KERNEL, device=faces.device, dtype=faces.dtype) - KERNEL // 2
    return steps.view(1, 1, KERNEL, 1), steps.view(1, 1, 1, KERNEL)


def _blurred(faces: Tensor, kernels: Tensor) -> Tensor:
    """Each face (N, 1, S, S) with a kernel of its own, (N, 1, KERNEL, KERNEL)."""
    height, width = faces.shape[2:]
    padded = functional.pad(faces, [KERNEL // 2] * 4, mode="replicate")
    size = (height + KERNEL - 1, width + KERNEL - 1)
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels / kernels.sum((2, 3), keepdim=True), s=size)
    blurred: Tensor = torch.fft.irfft2(spectrum, s=size)
    return blurred[..., KERNEL - 1 :, KERNEL - 1 :]
