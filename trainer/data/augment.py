"""Augmentation of a whole batch at once, on whatever device trains: one geometric resampling, light, noise, erasing."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trainer.config import AugmentConfig


class Augment:
    """Draws a new view of each face.

    Args:
        config: what a face may go through.
        generator: source of randomness, on the device of the faces.
    """

    def __init__(self, config: AugmentConfig, generator: torch.Generator) -> None:
        self.config = config
        self.generator = generator

    def __call__(self, faces: Tensor) -> Tensor:
        """(N, 1, S, S) float in [0, 1] -> the same shape and range."""
        return self._erase(self._grain(self._light(self._geometry(faces))))

    def _uniform(self, count: int, like: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
        """(count,) values drawn evenly between low and high."""
        drawn = torch.rand(count, generator=self.generator, device=like.device)
        return low + (high - low) * drawn

    def _geometry(self, faces: Tensor) -> Tensor:
        """Flip, rotation, scale and shift in one resampling; past its edge a face repeats it, as the device does."""
        c, n = self.config, len(faces)
        angle = self._uniform(n, faces) * math.radians(c.rotate_deg)
        zoom = 1 + self._uniform(n, faces) * c.scale
        mirror = torch.where(self._uniform(n, faces, 0.0) < c.flip, -1.0, 1.0)
        shift_x, shift_y = (self._uniform(n, faces) * 2 * c.shift for _ in range(2))
        if c.crop:  # nothing is drawn where the settings want none
            side, crop_x, crop_y = self._crop(faces)
            zoom, shift_x, shift_y = zoom * side, shift_x + crop_x, shift_y + crop_y
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        rows = [torch.stack([cos * mirror, -sin, shift_x], 1), torch.stack([sin * mirror, cos, shift_y], 1)]
        grid = functional.affine_grid(torch.stack(rows, 1), list(faces.shape), align_corners=False)
        return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)

    def _crop(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Side of a square inside each face, as a share, and where its centre lies, from -1 to 1: (N,) each."""
        n = len(faces)
        side = self._uniform(n, faces, self.config.crop_area, 1.0).sqrt()
        side = torch.where(self._uniform(n, faces, 0.0) < self.config.crop, side, 1.0)
        x, y = (self._uniform(n, faces) * (1 - side) for _ in range(2))
        return side, x, y

    def _light(self, faces: Tensor) -> Tensor:
        c, n = self.config, len(faces)
        offset = (self._uniform(n, faces) * c.brightness).view(n, 1, 1, 1)
        gain = (1 + self._uniform(n, faces) * c.contrast).view(n, 1, 1, 1)
        mean = faces.mean((1, 2, 3), keepdim=True)
        return ((faces - mean) * gain + mean + offset).clamp(0, 1)

    def _grain(self, faces: Tensor) -> Tensor:
        """Noise of a sensor in little light; nothing is drawn where the settings want none."""
        if not self.config.noise:
            return faces
        strength = self._uniform(len(faces), faces, 0.0, self.config.noise).view(-1, 1, 1, 1)
        drawn = torch.randn(faces.shape, generator=self.generator, device=faces.device)
        return (faces + strength * drawn).clamp(0, 1)

    def _erase(self, faces: Tensor) -> Tensor:
        """One rectangle a face becomes flat grey (random erasing, Zhong et al. 2017, arXiv:1708.04896)."""
        c, n, side = self.config, len(faces), faces.shape[-1]
        area = self._uniform(n, faces, 0.02, max(0.02, c.erase_area)) * (self._uniform(n, faces, 0.0) < c.erase)
        ratio = torch.exp(self._uniform(n, faces) * math.log(3.0))
        half_width, half_height = (side * (area * r).sqrt() / 2 for r in (ratio, 1 / ratio))
        x, y = (self._uniform(n, faces, 0.0, side) for _ in range(2))
        pixels = torch.arange(side, device=faces.device) + 0.5
        inside_x = (pixels - x.unsqueeze(1)).abs() < half_width.unsqueeze(1)  # (N, S)
        inside_y = (pixels - y.unsqueeze(1)).abs() < half_height.unsqueeze(1)  # (N, S)
        hole = (inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).unsqueeze(1)  # (N, 1, S, S)
        return torch.where(hole, self._uniform(n, faces, 0.0).view(n, 1, 1, 1), faces)


def mixup(
    faces: Tensor,
    targets: Tensor,
    votes: Tensor | None,
    alpha: float,
    generator: torch.Generator,
    dice: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Blend each face, its target and its votes with another's (Zhang et al. 2017, arXiv:1710.09412).

    Args:
        faces: (N, 1, S, S); targets: (N, K) shares that sum to one; votes: (N, V) or None.
        alpha: of the Beta(alpha, alpha) from which the batch's one blend is drawn.
        generator: of who is blended with whom, on the device of the faces.
        dice: of the blend, on the CPU, so that no GPU is waited for.
    """
    # Beta from two Gammas, because torch's Beta takes no generator and a resumed run must draw the same.
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=dice)
    share = float(gammas[0] / gammas.sum().clamp_min(1e-12))
    order = torch.randperm(len(faces), generator=generator, device=faces.device)

    def blend(x: Tensor) -> Tensor:
        return share * x + (1 - share) * x[order]

    return blend(faces), blend(targets), None if votes is None else blend(votes)
