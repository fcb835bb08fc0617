"""Forward filter of a hidden Markov model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from device.config.schema import SmootherConfig
from device.vision.filters import Filter, FilterFactory, Scores, State, normalised

FLOOR = 1e-3  # added to each score before it multiplies the belief: a zero could never be undone


def forward_filter(stay_s: float, time_constant_s: float) -> Filter:
    """The forward filter of a hidden Markov model (Rabiner 1989) whose states are the labels.

    An expression lasts `stay_s` on average and then turns into any other. Successive frames show
    almost the same and are not independent evidence: the frames of one `time_constant_s` together
    count as one. That also makes the result independent of the frame rate. The weight of a reading
    is an exponent of its likelihood.
    """

    def filtered(belief: State, scores: Scores, elapsed_s: float, weight: float) -> State:
        count = len(belief)
        kept = math.exp(-elapsed_s / stay_s * count / (count - 1))  # of the part that is not uniform
        expected = kept * belief + (1.0 - kept) / count
        evidence = (scores + FLOOR) ** (weight * min(1.0, elapsed_s / time_constant_s))
        return normalised(expected * evidence)

    return filtered


def _from_config(config: SmootherConfig, labels: Sequence[str]) -> Filter:
    return forward_filter(config.stay_s, config.time_constant_s)


FILTER: FilterFactory = _from_config
