"""No filter."""

from __future__ import annotations

from device.config.schema import SmootherConfig
from device.vision.filters import Filter, FilterFactory, Scores


def no_filter(belief: Scores, scores: Scores, elapsed_s: float) -> Scores:
    """The scores of the current frame, unchanged."""
    return scores


def _from_config(config: SmootherConfig) -> Filter:
    return no_filter


FILTER: FilterFactory = _from_config
