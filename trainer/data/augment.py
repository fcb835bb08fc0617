"""Augmentation of a whole batch at once, on the training device.

To add an augmentation, write a function here, add it to `STEPS`, and add its setting to
`trainer.augment_config.AugmentConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.augment_config import AugmentConfig


class Random:
    """A source of random numbers on the training device.

    What a whole batch shares is drawn on the CPU, so that a GPU need not be synchronised.

    Args:
        device: of the faces.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.generator, self.host = torch.Generator(device), torch.Generator()

    def seed(self, seed: int) -> None:
        """Seed everything that is drawn from here on."""
        self.generator.manual_seed(seed)
        self.host.manual_seed(seed)

    def uniform(self, count: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        """(count,) values drawn uniformly between low and high."""
        drawn = torch.rand(count, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def normal(self, shape: torch.Size) -> Tensor:
        """Values of the standard normal distribution."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def order(self, count: int) -> Tensor:
        """The numbers 0 to `count` - 1 in a random order, (count,)."""
        return torch.randperm(count, generator=self.generator, device=self.device)

    def chance(self) -> float:
        """A number between 0 and 1."""
        return float(torch.rand((), generator=self.host))

    def beta(self, alpha: float) -> float:
        """A number of the Beta(alpha, alpha) distribution."""
        # From two Gammas, because torch's Beta takes no generator and a resumed run must repeat.
        gammas = torch._standard_gamma(torch.full((2,), alpha), generator=self.host)
        return float(gammas[0] / gammas.sum().clamp_min(1e-12))


class SeededRandom(Random):
    """The same numbers on every device and with every version of PyTorch and NumPy.

    NumPy promises that the numbers of `RandomState` never change.
    """

    def seed(self, seed: int, view: int = 0) -> None:
        """Seed everything that is drawn from here on, for one view of a series."""
        self.state = np.random.RandomState([seed, view])
        self.noise: Tensor | None = None

    def uniform(self, count: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        """See `Random`."""
        drawn = self.state.random_sample(count).astype(np.float32)
        return torch.from_numpy(low + (high - low) * drawn).to(self.device)

    def normal(self, shape: torch.Size) -> Tensor:
        """See `Random`; each row is a part of one long series, since so many are slow to draw."""
        if self.noise is None:
            self.noise = torch.from_numpy(self.state.standard_normal(NOISE).astype(np.float32)).to(self.device)
        size = math.prod(shape[1:])
        starts = torch.from_numpy(self.state.randint(0, NOISE - size, shape[0])).to(self.device)
        return self.noise[starts.unsqueeze(1) + torch.arange(size, device=self.device)].view(shape)

    def order(self, count: int) -> Tensor:
        """See `Random`."""
        return torch.from_numpy(self.state.permutation(count)).to(self.device)

    def chance(self) -> float:
        """See `Random`."""
        return float(self.state.random_sample())

    def beta(self, alpha: float) -> float:
        """See `Random`."""
        return float(self.state.beta(alpha, alpha))


NOISE = 2**20  # length of that series


Step = Callable[[Tensor, AugmentConfig, Random], Tensor]
"""One augmentation: faces (N, 1, S, S) float in [0, 1] -> the same shape and range."""


class Augment:
    """Draws a new view of each face.

    Args:
        config: which augmentations are applied, and how strongly.
        random: source of randomness, on the device of the faces.
    """

    def __init__(self, config: AugmentConfig, random: Random) -> None:
        self.config, self.random = config, random

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
    return (faces + strength * random.normal(faces.shape)).clamp(0, 1)


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
    faces: Tensor, targets: Tensor, votes: Tensor | None, alpha: float, random: Random
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Blend each face, target and votes with another's (Zhang et al. 2017, arXiv:1710.09412).

    Args:
        faces: (N, 1, S, S).
        targets: (N, K) shares that sum to one.
        votes: (N, V) or None.
        alpha: of the Beta(alpha, alpha) distribution from which the batch's one share is drawn.
        random: source of randomness, on the device of the faces.
    """
    share, order = random.beta(alpha), random.order(len(faces))

    def blend(x: Tensor) -> Tensor:
        return share * x + (1 - share) * x[order]

    return blend(faces), blend(targets), None if votes is None else blend(votes)
