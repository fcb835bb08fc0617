"""Clips made of faces: stretches of one expression, shown by one face or by several in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import LABELS
from trainer.smoothing.views import Views

VIEWS_PER_S = 15.0  # at which the views of a face follow one another
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Batch:
    """C clips of T readings.

    Attributes:
        scores: float32 (C, T, K).
        elapsed_s: float32 (C, T), since the reading before; 0 for the first.
        labels: int64 (C, T).
    """

    scores: NDArray[np.float32]
    elapsed_s: NDArray[np.float32]
    labels: NDArray[np.int64]


class ClipMaker:
    """Draws clips at random.

    Args:
        views: of the faces.
        pools: for each class, the faces to choose from.
    """

    def __init__(self, views: Views, pools: list[NDArray[np.int64]]) -> None:
        self.views, self.pools = views, pools

    def fixed_clip(
        self,
        elapsed_s: Floats,
        frequencies: Floats,
        view_s: float,
        stretch_s: Callable[[], float],
        generator: np.random.Generator,
    ) -> Batch:
        """Draw one clip, as a batch of one; no expression follows itself.

        Args:
            elapsed_s: (T,), between readings.
            frequencies: (K,), of the classes.
            view_s: seconds until another face with the same label replaces the face; may be inf.
            stretch_s: returns the duration of the next expression.
            generator: source of randomness.
        """
        times, label, n = np.cumsum(elapsed_s), -1, 0
        scores = np.empty((len(times), len(LABELS)), np.float32)
        labels = np.empty(len(times), np.int64)
        while n < len(times):
            end_s = times[n] + stretch_s()
            chances = frequencies * (np.arange(len(LABELS)) != label)
            label = int(generator.choice(len(LABELS), p=chances / chances.sum()))
            while n < len(times) and times[n] < end_s - 1e-6:
                stop = max(n + 1, int(np.searchsorted(times, min(end_s, times[n] + view_s) - 1e-6)))
                scores[n:stop] = self._shown(label, times[n:stop] - times[n], generator)
                labels[n:stop] = label
                n = stop
        return Batch(scores[np.newaxis], elapsed_s[np.newaxis].astype(np.float32), labels[np.newaxis])

    def _shown(self, label: int, times_s: Floats, generator: np.random.Generator) -> NDArray[np.float32]:
        """Scores of one face over time, (T, K): its views forth and back, from any of them."""
        pool, views = self.pools[label], self.views.scores.shape[1]
        step = int(generator.integers(2 * views)) + np.rint(times_s * VIEWS_PER_S).astype(int)
        folded = step % max(1, 2 * views - 2)
        face = pool[generator.integers(len(pool))]
        shown: NDArray[np.float32] = self.views.scores[face, np.where(folded < views, folded, 2 * views - 2 - folded)]
        return shown
