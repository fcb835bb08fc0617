"""Exponential moving average."""

from __future__ import annotations

import math
from collections.abc import Sequence

from device.config.schema import SmootherConfig
from device.vision.filters import Belief, Filter, FilterFactory, Scores, Steadying, uniform


def exponential_filter(time_constant_s: float) -> Filter:
    """A low-pass filter: it follows a step to 63 % after the time constant, at any frame rate.

    A reading of weight w counts as if only the share w of the time had passed.
    """

    def filtered(belief: Belief, scores: Scores, elapsed_s: float, weight: float) -> Belief:
        share = -math.expm1(-elapsed_s * weight / time_constant_s)
        return Belief(belief.scores + share * (scores - belief.scores))

    return filtered


def _from_config(config: SmootherConfig, labels: Sequence[str]) -> Steadying:
    return Steadying(exponential_filter(config.time_constant_s), Belief(uniform(labels)))


FILTER: FilterFactory = _from_config
