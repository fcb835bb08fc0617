"""What a detector returns, and the interface of every detector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from device.config.schema import DetectorConfig
from device.inference.box import Box
from device.vision.tiling import Tile


class Detection(NamedTuple):
    """A face: its box in pixels of the frame, and a score in [0, 1]."""

    box: Box
    score: float


class Detector(Protocol):
    """Finds faces."""

    def tiles(self, width: int, height: int) -> Sequence[Tile]:
        """The tiles in which a frame of that size is searched."""

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        """The faces in some tiles of a frame, the largest first.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            parts: some of its `tiles`; each is searched before the next is taken.
        """

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of the whole frame, the largest first."""


DetectorFactory = Callable[[DetectorConfig], Detector]


def keep_largest(detections: list[Detection], config: DetectorConfig) -> list[Detection]:
    """The detections of at least `min_face_px`, the largest first, at most `max_faces`."""
    large = [d for d in detections if d.box.mean_side >= config.min_face_px]
    return sorted(large, key=lambda d: (-d.box.area, -d.score, d.box))[: config.max_faces]
