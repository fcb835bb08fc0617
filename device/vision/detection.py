"""What a detector returns, and what every detector offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    def views(self, width: int, height: int) -> Sequence[Tile]:
        """The parts in which a frame of that size is looked at."""

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        """The faces that some views of a frame show, the largest first.

        Args:
            image: uint8 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA.
            parts: of its `views`; each is looked at before the next is asked for.
        """

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces of the whole frame, the largest first."""


def _keep(detections: list[Detection], config: DetectorConfig) -> list[Detection]:
    """Those large enough, the largest first, at most `max_faces`."""
    large = [d for d in detections if d.box.mean_side >= config.min_face_px]
    return sorted(large, key=lambda d: (-d.box.area, -d.score, d.box))[: config.max_faces]
