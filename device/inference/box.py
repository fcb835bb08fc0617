"""A rectangle in the pixels of a frame."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in a frame, in pixels; it may reach over the frame's edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def mean_side(self) -> float:
        """Side of the square of the same area, pixels."""
        return float(self.area**0.5)

    def overlap(self, other: Box) -> float:
        """Area that both cover, square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union, in [0, 1]."""
        shared = self.overlap(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0
