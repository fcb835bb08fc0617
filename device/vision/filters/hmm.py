"""Forward filter of a hidden Markov model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from device.config.schema import SmootherConfig
from device.vision.filters import Belief, Filter, FilterFactory, Scores, Steadying, normalised

NEUTRAL = "neutral"
FLOOR = 1e-3  # added to each score before it multiplies the belief: a zero could never be undone
BELOW_ENTER = 0.8  # of `enter`: a new face's belief in neutral, at most; it is not named by that alone
RECENT_S = 0.25  # time constant of the average with which a reading is compared
MAX_EVIDENCE = 0.6  # of an independent reading, for a frame that differs: one alone changes no firm belief
ALIKE = 0.4  # readings are alike whose scores differ by less (total variation distance, 0 to 1)


def forward_filter(stay_s: float, time_constant_s: float, change_weight: float) -> Filter:
    """The forward filter of a hidden Markov model (Rabiner 1989) whose states are the labels.

    An expression lasts about `stay_s`; the one after it may be any, equally likely. Successive
    frames show almost the same face, and the network errs on them alike, so they are not
    independent evidence: the frames of one `time_constant_s` together count as one. While the
    scores differ from those of the last `RECENT_S`, the face shows something new. A frame then
    counts 1 + `change_weight` (distance - `ALIKE`) times, but at most as `MAX_EVIDENCE` of an
    independent reading unless more time has passed, so that one odd frame changes no firm belief.
    The weight of a reading is an exponent of its likelihood.

    Args:
        stay_s: seconds, above 0.
        time_constant_s: seconds, above 0.
        change_weight: at least 0.
    """

    def filtered(belief: Belief, scores: Scores, elapsed_s: float, weight: float) -> Belief:
        count = len(scores)
        kept = math.exp(-elapsed_s / stay_s * count / (count - 1))  # of the part that is not uniform
        expected = kept * belief.scores + (1.0 - kept) / count
        recent = np.full(count, 1.0 / count) if belief.recent is None else belief.recent
        distance = 0.5 * float(np.abs(scores - recent).sum())
        counts = 1.0 + change_weight * max(0.0, distance - ALIKE)
        alone = min(1.0, elapsed_s / time_constant_s)  # what a frame counts that is like those before
        evidence = weight * max(alone, min(MAX_EVIDENCE, alone * counts)) * np.log(scores + FLOOR)
        followed = recent - weight * math.expm1(-elapsed_s / RECENT_S) * (scores - recent)
        return Belief(normalised(expected * np.exp(evidence - evidence.max())), followed)

    return filtered


def prior_of(labels: Sequence[str], neutral_odds: float, highest: float) -> Scores:
    """How likely each label is before the face was read, (K,).

    `neutral` is so many times likelier than any other, but at most as likely as `highest`.
    """
    limit = max(1.0, highest / (1.0 - highest) * (len(labels) - 1)) if highest < 1.0 else math.inf
    odds = min(neutral_odds, limit)
    return normalised(np.array([odds if label == NEUTRAL else 1.0 for label in labels]))


def _from_config(config: SmootherConfig, labels: Sequence[str]) -> Steadying:
    forward = forward_filter(config.stay_s, config.time_constant_s, config.change_weight)
    return Steadying(forward, Belief(prior_of(labels, config.neutral_odds, BELOW_ENTER * config.enter)))


FILTER: FilterFactory = _from_config
