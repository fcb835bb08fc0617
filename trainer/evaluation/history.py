"""The history of a run: best and last epoch, overfitting, correlation of loss and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MIN_EPOCHS = 3  # for a correlation


def dynamics(epochs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Numbers of a run.

    Args:
        epochs: as in metrics.jsonl, oldest first, at least one.

    Returns:
        best and last {epoch, train_accuracy, accuracy, top5, divergence}, r (Pearson's, of
        validation loss and accuracy; None for fewer than three epochs or a constant), and seconds.
        `divergence` is training accuracy, on augmented views, minus validation accuracy.
    """
    best = max(epochs, key=lambda entry: entry["accuracy"])
    return {
        "best": _moment(best),
        "last": _moment(epochs[-1]),
        "r": _pearson([e["loss_public"] for e in epochs], [e["accuracy"] for e in epochs]),
        "seconds": sum(e["seconds"] for e in epochs),
    }


def _moment(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {key: entry[key] for key in ("epoch", "train_accuracy", "accuracy", "top5")}
    return kept | {"divergence": entry["train_accuracy"] - entry["accuracy"]}


def _pearson(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(a) < MIN_EPOCHS or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
