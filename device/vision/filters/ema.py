"""Exponential moving average."""

from __future__ import annotations

import math

from device.config.schema import SmootherConfig
from device.vision.filters import Filter, FilterFactory, Scores


def exponential_filter(time_constant_s: float) -> Filter:
    """A low-pass filter: it follows a step to 63 % after the time constant, at any frame rate."""

    def filtered(belief: Scores, scores: Scores, elapsed_s: float) -> Scores:
        share = -math.expm1(-elapsed_s / time_constant_s)
        return belief + share * (scores - belief)

    return filtered


def _from_config(config: SmootherConfig) -> Filter:
    return exponential_filter(config.time_constant_s)


FILTER: FilterFactory = _from_config
