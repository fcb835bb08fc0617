"""Whether one of two networks is significantly better on the same faces.

Only the faces count that exactly one of the two classifies correctly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964  # normal quantile of a two-sided interval of 95 %


def compare(right: NDArray[np.bool_], other_right: NDArray[np.bool_]) -> dict[str, Any]:
    """The difference of two accuracies on the same faces.

    Args:
        right: (N,), the faces this network classifies correctly.
        other_right: (N,), the faces the other network classifies correctly.

    Returns:
        n, accuracy, other_accuracy, difference and its ci95 (shares; Bonett & Price 2012),
        only_this, only_other (the discordant faces), and the two-sided p of McNemar's exact test.
    """
    from scipy.stats import binomtest

    n = len(right)
    only_this, only_other = int((right & ~other_right).sum()), int((other_right & ~right).sum())
    discordant = only_this + only_other
    return {
        "n": n,
        "accuracy": float(right.mean()),
        "other_accuracy": float(other_right.mean()),
        "difference": (only_this - only_other) / n,
        "ci95": _interval(only_this, only_other, n),
        "only_this": only_this,
        "only_other": only_other,
        "p": float(binomtest(only_this, discordant).pvalue) if discordant else 1.0,
    }


def _interval(only_this: int, only_other: int, n: int) -> list[float]:
    """Wald's interval of the paired difference, with one more face counted on either side."""
    ours, theirs = (only_this + 1) / (n + 2), (only_other + 1) / (n + 2)
    middle = ours - theirs
    reach = Z95 * float(np.sqrt((ours + theirs - middle**2) / (n + 2)))
    return [max(-1.0, middle - reach), min(1.0, middle + reach)]
