"""How sharp a face's crop is, and how much a reading of it counts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

NOISE_SIGMA = 0.7  # of the Gaussian that removes the sensor's noise before edges are measured, pixels
FORGET_S = 10.0  # the best sharpness of a track fades with this time constant: the light may change
SHARP = 0.85  # share of the best from which a face counts in full: views of one face differ by as much
MIN_WEIGHT = 0.05  # so that a track that stays blurred still gets a label


def sharpness(face: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian over the variance of the picture, so that contrast does not count.

    The measure of focus by Pech-Pacheco et al. 2000 (doi:10.1109/ICPR.2000.903548), normalised.

    Args:
        face: uint8 (S, S).

    Returns:
        0 for a picture of one grey.
    """
    import cv2

    pixels = face.astype(np.float32)
    spread = float(pixels.var())
    if spread == 0.0:
        return 0.0
    smooth = cv2.GaussianBlur(pixels, (0, 0), NOISE_SIGMA)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).var()) / spread


class BlurWeights:
    """Weighs each reading by its sharpness relative to the best of the same track.

    Motion and a camera that focuses blur a face, and the network then misreads it.
    """

    def __init__(self) -> None:
        self._best: dict[int, tuple[float, float]] = {}  # track -> sharpness, and when it was measured

    def weigh(self, track_id: int, face: NDArray[np.uint8], time_s: float) -> float:
        """The square of sharpness over most of the best sharpness, from `MIN_WEIGHT` to 1.

        Args:
            track_id: whose face it is; a new id starts anew.
            face: uint8 (S, S), as it is classified.
            time_s: of the frame, seconds.
        """
        sharp = sharpness(face)
        best, then_s = self._best.get(track_id, (0.0, time_s))
        faded = best * math.exp(-max(0.0, time_s - then_s) / FORGET_S)
        best = max(sharp, faded)
        self._best[track_id] = (best, time_s)
        return min(1.0, max(MIN_WEIGHT, (sharp / (SHARP * best)) ** 2)) if best else 1.0

    def forget(self, track_id: int) -> None:
        """Drop the state of a track that ended; an unknown id is ignored."""
        self._best.pop(track_id, None)
