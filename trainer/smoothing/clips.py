"""Clips made of faces: stretches of one expression, shown by one face or by several in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import LABELS
from trainer.smoothing.views import Views

VIEWS_PER_S = 15.0  # at which the views of a face follow one another
RATES_HZ = (3.0, 30.0)  # readings a second; the slowest when many faces take turns
NO_FACE = -1  # the label where nothing was read
BINS = 8
MISREAD = 0.03  # share of the readings that show something else
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Batch:
    """C clips of T readings.

    Attributes:
        scores: float32 (C, T, K).
        elapsed_s: float32 (C, T), since the reading before; 0 for the first.
        labels: int64 (C, T); `NO_FACE` where the scores are uniform because nothing was read.
    """

    scores: NDArray[np.float32]
    elapsed_s: NDArray[np.float32]
    labels: NDArray[np.int64]


def matched(training: Views, held_out: Views, generator: np.random.Generator) -> list[NDArray[np.int64]]:
    """Faces of each class, drawn so that the network is as often wrong about them as about others.

    The network has learnt the Training faces and is surer of them than of new ones. So in each
    class, faces are drawn in inverse proportion to how many have a similar score of their true
    label, in bins that each hold the same share of the held-out faces.

    Returns:
        for each class, indices into `training`, some of them several times.
    """
    return [_matched_class(k, training, held_out, generator) for k in range(len(LABELS))]


def _matched_class(k: int, training: Views, held_out: Views, generator: np.random.Generator) -> NDArray[np.int64]:
    index = np.flatnonzero(training.labels == k)
    own, others = (each.scores[each.labels == k, :, k].mean(1) for each in (training, held_out))
    edges = np.quantile(others, np.linspace(0, 1, min(BINS, 1 + len(others) // 8) + 1))[1:-1]
    bins = np.searchsorted(edges, own, side="right")
    weights = 1.0 / np.bincount(bins)[bins]
    return generator.choice(index, 4 * len(index), p=weights / weights.sum())


class ClipMaker:
    """Draws clips at random.

    Args:
        views: of the faces.
        pools: for each class, the faces to choose from.
        frequencies: (K,), natural frequencies of the classes; half of the clips use equal ones.
    """

    def __init__(self, views: Views, pools: list[NDArray[np.int64]], frequencies: Floats) -> None:
        self.views, self.pools, self.frequencies = views, pools, frequencies

    def batch(self, clips: int, readings: int, generator: np.random.Generator) -> Batch:
        """Draw clips whose rates, stretches and numbers of faces vary."""
        return _stacked([self._clip(readings, generator) for _ in range(clips)])

    def _clip(self, readings: int, generator: np.random.Generator) -> Batch:
        equal = np.full(len(LABELS), 1.0 / len(LABELS))
        frequencies = self.frequencies if generator.random() < 0.5 else equal
        elapsed_s = _elapsed_s(readings, generator)
        mean_s = _log_uniform(3.0, 8.0, generator)
        view_s = float(generator.choice([np.inf, 1.0, 0.5, _log_uniform(0.3, 8.0, generator)]))
        clip = self.fixed_clip(
            elapsed_s, frequencies, view_s, lambda: max(1.0, generator.gamma(4.0, mean_s / 4.0)), generator
        )
        self._misread(clip, generator)
        if generator.random() < 0.15:
            _blank(clip, generator)
        return clip

    def _misread(self, clip: Batch, generator: np.random.Generator) -> None:
        """Replace a few readings, one or two in a row, by those of any face: a blink, a bad crop.

        Without them the network would take a single odd reading for a new face.
        """
        chosen: NDArray[np.bool_] = np.less(generator.random(clip.labels.shape[1]), MISREAD / 1.5)
        chosen[1:] |= chosen[:-1] & (generator.random(len(chosen) - 1) < 0.5)
        faces = generator.integers(len(self.views.labels), size=int(chosen.sum()))
        clip.scores[0, chosen] = self.views.scores[faces, 0]

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
        times, label, n = np.cumsum(elapsed_s), NO_FACE, 0
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


def _elapsed_s(readings: int, generator: np.random.Generator) -> Floats:
    """(T,): a rate of 15 a second or any other, even or uneven, with a rare pause."""
    rate_hz = _log_uniform(*RATES_HZ, generator) if generator.random() < 0.6 else VIEWS_PER_S
    spread = 0.15 if generator.random() < 0.5 else 0.0
    elapsed_s = np.exp(generator.normal(0.0, spread, readings)) / rate_hz
    elapsed_s = np.where(generator.random(readings) < 0.003, 20.0 * elapsed_s, elapsed_s)
    elapsed_s[0] = 0.0
    return np.asarray(elapsed_s)


def _blank(clip: Batch, generator: np.random.Generator) -> None:
    """Put in a stretch of some seconds in which nothing is read."""
    readings = clip.labels.shape[1]
    start = int(generator.integers(readings))
    seconds = np.cumsum(clip.elapsed_s[0, start:])
    stop = start + max(1, int(np.searchsorted(seconds, generator.uniform(1.0, 4.0))))
    clip.scores[:, start:stop] = 1.0 / clip.scores.shape[-1]
    clip.labels[:, start:stop] = NO_FACE


def _log_uniform(low: float, high: float, generator: np.random.Generator) -> float:
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def _stacked(clips: list[Batch]) -> Batch:
    return Batch(
        np.concatenate([clip.scores for clip in clips]),
        np.concatenate([clip.elapsed_s for clip in clips]),
        np.concatenate([clip.labels for clip in clips]),
    )
