"""Forward filter of a hidden Markov model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from device.config.schema import SmootherConfig
from device.vision.filters import Filter, FilterFactory, Scores, Steadying, normalised

NEUTRAL = "neutral"
FLOOR = 1e-3  # added to each score before it multiplies the belief: a zero could never be undone


def forward_filter(stay_s: float, time_constant_s: float, prior: Scores) -> Filter:
    """The forward filter of a hidden Markov model (Rabiner 1989) whose states are the labels.

    An expression lasts about `stay_s`. The one after it, and the first one, are drawn from the
    prior (K,). Successive frames show
    almost the same and are not independent evidence: the frames of one `time_constant_s` together
    count as one. That also makes the result independent of the frame rate. The weight of a reading
    is an exponent of its likelihood.
    """

    def filtered(belief: Scores, scores: Scores, elapsed_s: float, weight: float) -> Scores:
        count = len(belief)
        kept = math.exp(-elapsed_s / stay_s * count / (count - 1))  # of the part that is not the prior
        expected = kept * belief + (1.0 - kept) * prior
        evidence = (scores + FLOOR) ** (weight * min(1.0, elapsed_s / time_constant_s))
        return normalised(expected * evidence)

    return filtered


def prior_of(labels: Sequence[str], neutral_odds: float) -> Scores:
    """How likely each label is before the face was read; `neutral` is so many times likelier."""
    return normalised(np.array([neutral_odds if label == NEUTRAL else 1.0 for label in labels]))


def _from_config(config: SmootherConfig, labels: Sequence[str]) -> Steadying:
    prior = prior_of(labels, config.neutral_odds)
    return Steadying(forward_filter(config.stay_s, config.time_constant_s, prior), prior)


FILTER: FilterFactory = _from_config
