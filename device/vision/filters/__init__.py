"""The smoother's filters: one module each, whose name is its `device.smoother.kind`.

To add one, add a module that defines `FILTER` (a `FilterFactory`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig

Scores = NDArray[np.float64]  # (K,), at least 0, sum 1
State = NDArray[np.float64]  # the belief (K,), then what else the filter remembers of a face, if anything

Filter = Callable[[State, Scores, float, float], State]
"""State, new scores, seconds since the last, weight of the new scores in (0, 1] -> new state.

A new face's state is the uniform belief alone. A weight near 0 leaves the belief as it was, apart
from the passing of time; 1 is a full reading.
"""

FilterFactory = Callable[[SmootherConfig, Sequence[str]], Filter | None]
"""Settings, labels -> the filter; None if it does not know these labels."""


def normalised(belief: Scores) -> Scores:
    """The same with sum 1."""
    positive: Scores = np.clip(belief, 0.0, None)  # rounding can leave a value just below zero
    return np.asarray(positive / positive.sum())
