"""The smoother's filters: one module each, whose name is its `device.smoother.kind`.

To add one, add a module that defines `FILTER` (a `FilterFactory`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig

Scores = NDArray[np.float64]  # (K,), at least 0, sum 1
Filter = Callable[[Scores, Scores, float], Scores]  # belief, new scores, seconds since the last -> belief
FilterFactory = Callable[[SmootherConfig], Filter]


def normalised(belief: Scores) -> Scores:
    """The same with sum 1."""
    positive: Scores = np.clip(belief, 0.0, None)  # rounding can leave a value just below zero
    return np.asarray(positive / positive.sum())
