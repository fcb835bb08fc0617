"""Forward filter of a hidden Markov model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from device.config.schema import SmootherConfig
from device.vision.filters import Belief, Filter, FilterFactory, Scores, Steadying, normalised

NEUTRAL = "neutral"
FLOOR = 1e-3  # added to each score before it multiplies the belief: a zero could never be undone
CHANGE_S = 0.1  # a change of the scores counts within about this time, so that one odd frame counts less


def forward_filter(stay_s: float, time_constant_s: float, prior: Scores, change_weight: float) -> Filter:
    """The forward filter of a hidden Markov model (Rabiner 1989) whose states are the labels.

    An expression lasts about `stay_s`. The one after it, and the first one, are drawn from the
    prior (K,). Successive frames show almost the same face, and the network errs on them alike, so
    they are not independent evidence. What is new in a reading is its change from the readings
    before: its logarithm counts `change_weight` times. What is repeated counts little: the frames
    of one `time_constant_s` together as one. (Whitening of correlated noise; Bryson & Johansen
    1965, "Linear filtering for time-varying systems using measurements containing colored noise".)
    Time constants also make the result independent of the frame rate. The weight of a reading is an
    exponent of its likelihood.
    """

    def filtered(belief: Belief, scores: Scores, elapsed_s: float, weight: float) -> Belief:
        count = len(prior)
        kept = math.exp(-elapsed_s / stay_s * count / (count - 1))  # of the part that is not the prior
        expected = kept * belief.scores + (1.0 - kept) * prior
        logs = np.log(scores + FLOOR)
        before = np.full(count, math.log(1.0 / count + FLOOR)) if belief.recent is None else belief.recent
        change = -weight * math.expm1(-elapsed_s / CHANGE_S) * (logs - before)
        evidence = weight * min(1.0, elapsed_s / time_constant_s) * logs + change_weight * change
        return Belief(normalised(expected * np.exp(evidence - evidence.max())), before + change)

    return filtered


def prior_of(labels: Sequence[str], neutral_odds: float, leave: float) -> Scores:
    """How likely each label is before the face was read, (K,).

    `neutral` is so many times likelier than any other, but at most as likely as `leave`: otherwise
    a new face could be named before it was read.
    """
    highest = max(1.0, leave / (1.0 - leave) * (len(labels) - 1)) if leave < 1.0 else math.inf
    odds = min(neutral_odds, highest)
    return normalised(np.array([odds if label == NEUTRAL else 1.0 for label in labels]))


def _from_config(config: SmootherConfig, labels: Sequence[str]) -> Steadying:
    prior = prior_of(labels, config.neutral_odds, config.leave)
    forward = forward_filter(config.stay_s, config.time_constant_s, prior, config.change_weight)
    return Steadying(forward, Belief(prior))


FILTER: FilterFactory = _from_config
