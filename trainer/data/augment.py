"""Augmentation of a whole batch at once, on the training device.

To add an augmentation, write a function here, add it to `STEPS`, and add its setting to
`trainer.augment_config.AugmentConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.augment_config import AugmentConfig


@dataclass(frozen=True)
class Random:
    """A source of random numbers.

    Attributes:
        generator: on the device of the faces.
    """

    generator: torch.Generator

    def uniform(self, count: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        """(count,) values drawn uniformly between low and high."""
        drawn = torch.rand(count, generator=self.generator, device=self.generator.device)
        return low + (high - low) * drawn


Step = Callable[[Tensor, AugmentConfig, Random], Tensor]
"""One augmentation: faces (N, 1, S, S) float in [0, 1] -> the same shape and range."""


class Augment:
    """Draws a new view of each face.

    Args:
        config: which augmentations are applied, and how strongly.
        generator: source of randomness, on the device of the faces.
    """

    def __init__(self, config: AugmentConfig, generator: torch.Generator) -> None:
        self.config, self.random = config, Random(generator)

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 1, S, S) float in [0, 1] -> the same shape and range."""
        for step in STEPS:
            faces = step(faces, self.config, self.random)
        return faces


def geometry(faces: Tensor, config: AugmentConfig, random: Random) -> Tensor:
    """Flip, rotation, scale, shift and crop in one resampling; the border is replicated."""
    n = len(faces)
    angle = random.uniform(n) * math.radians(config.rotate_deg)
    zoom = 1 + random.uniform(n) * config.scale
    mirror = torch.where(random.uniform(n, 0.0) < config.flip, -1.0, 1.0)
    shift_x, shift_y = (random.uniform(n) * 2 * config.shift for _ in range(2))
    if config.crop:  # without crops no numbers are drawn for them
        side, crop_x, crop_y = _crop(n, config, random)
        zoom, shift_x, shift_y = zoom * side, shift_x + crop_x, shift_y + crop_y
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [torch.stack([cos * mirror, -sin, shift_x], 1), torch.stack([sin * mirror, cos, shift_y], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def _crop(n: int, config: AugmentConfig, random: Random) -> tuple[Tensor, Tensor, Tensor]:
    """Side of a square in each face, as a share, and its centre x and y, -1 to 1: (N,) each."""
    side = random.uniform(n, config.crop_area, 1.0).sqrt()
    side = torch.where(random.uniform(n, 0.0) < config.crop, side, 1.0)
    x, y = (random.uniform(n) * (1 - side) for _ in range(2))
    return side, x, y


def light(faces: Tensor, config: AugmentConfig, random: Random) -> Tensor:
    """Brightness and contrast."""
    n = len(faces)
    offset = (random.uniform(n) * config.brightness).view(n, 1, 1, 1)
    gain = (1 + random.uniform(n) * config.contrast).view(n, 1, 1, 1)
    mean = faces.mean((1, 2, 3), keepdim=True)
    return ((faces - mean) * gain + mean + offset).clamp(0, 1)


def noise(faces: Tensor, config: AugmentConfig, random: Random) -> Tensor:
    """Gaussian noise, as of a sensor in low light; each face draws its own strength."""
    if not config.noise:  # without noise no numbers are drawn for it
        return faces
    strength = random.uniform(len(faces), 0.0, config.noise).view(-1, 1, 1, 1)
    drawn = torch.randn(faces.shape, generator=random.generator, device=faces.device)
    return (faces + strength * drawn).clamp(0, 1)


def erase(faces: Tensor, config: AugmentConfig, random: Random) -> Tensor:
    """Random erasing of a rectangle (Zhong et al. 2017, arXiv:1708.04896)."""
    n, side = len(faces), faces.shape[-1]
    area = random.uniform(n, 0.02, max(0.02, config.erase_area)) * (random.uniform(n, 0.0) < config.erase)
    ratio = torch.exp(random.uniform(n) * math.log(3.0))
    half_width, half_height = (side * (area * r).sqrt() / 2 for r in (ratio, 1 / ratio))
    x, y = (random.uniform(n, 0.0, side) for _ in range(2))
    pixels = torch.arange(side, device=faces.device) + 0.5
    inside_x = (pixels - x.unsqueeze(1)).abs() < half_width.unsqueeze(1)  # (N, S)
    inside_y = (pixels - y.unsqueeze(1)).abs() < half_height.unsqueeze(1)  # (N, S)
    hole = (inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).unsqueeze(1)  # (N, 1, S, S)
    return torch.where(hole, random.uniform(n, 0.0).view(n, 1, 1, 1), faces)


STEPS: tuple[Step, ...] = (geometry, light, noise, erase)
"""All augmentations, in the order in which they are applied."""


def mixup(
    faces: Tensor,
    targets: Tensor,
    votes: Tensor | None,
    alpha: float,
    generator: torch.Generator,
    cpu_generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Blend each face, target and votes with another's (Zhang et al. 2017, arXiv:1710.09412).

    Args:
        faces: (N, 1, S, S).
        targets: (N, K) shares that sum to one.
        votes: (N, V) or None.
        alpha: of the Beta(alpha, alpha) distribution from which the batch's one share is drawn.
        generator: for the pairing, on the device of the faces.
        cpu_generator: for the share, on the CPU, so that a GPU need not be synchronised.
    """
    # Beta from two Gammas, because torch's Beta takes no generator and a resumed run must repeat.
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=cpu_generator)
    share = float(gammas[0] / gammas.sum().clamp_min(1e-12))
    order = torch.randperm(len(faces), generator=generator, device=faces.device)

    def blend(x: Tensor) -> Tensor:
        return share * x + (1 - share) * x[order]

    return blend(faces), blend(targets), None if votes is None else blend(votes)
