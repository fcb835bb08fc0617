"""The smoother's filters: one module each, whose name is its `device.smoother.kind`.

To add one, add a module that defines `FILTER` (a `FilterFactory`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig

Scores = NDArray[np.float64]  # (K,), at least 0, sum 1


class Belief(NamedTuple):
    """What is believed of one face, and what a filter remembers of its last scores."""

    scores: Scores
    recent: Scores | None = None  # the last scores, averaged; None before the first; hmm only


Filter = Callable[[Belief, Scores, float, float], Belief]
"""Belief, new scores, seconds since the last, weight of the new scores in (0, 1] -> new belief.

A weight near 0 leaves the belief as it was, apart from the passing of time; 1 is a full reading.
"""


class Steadying(NamedTuple):
    """A filter, and what it believes of a new face."""

    filter: Filter
    start: Belief


FilterFactory = Callable[[SmootherConfig, Sequence[str]], Steadying]
"""Settings, labels -> the filter."""


def uniform(labels: Sequence[str]) -> Scores:
    """The belief in which every label is equally likely."""
    return np.full(len(labels), 1.0 / len(labels))


def normalised(belief: Scores) -> Scores:
    """The same with sum 1."""
    positive: Scores = np.clip(belief, 0.0, None)  # rounding can leave a value just below zero
    return np.asarray(positive / positive.sum())
