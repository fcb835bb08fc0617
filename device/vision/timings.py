"""How long each stage of the pipeline takes."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from device.messages import Stage

LATEST = 1000  # runs of a stage from which its figures are computed, at most


class StageTimings:
    """How long each stage took, over its latest runs.

    Args:
        latest: how many runs of a stage are kept.
    """

    def __init__(self, latest: int = LATEST) -> None:
        self._latest = latest
        self._runs: dict[str, deque[float]] = {}
        self._totals_ms: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time the body of the `with`, unless it fails."""
        began_s = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - began_s)

    def add(self, stage: str, took_s: float) -> None:
        """Count one run of a stage, seconds."""
        self._runs.setdefault(stage, deque(maxlen=self._latest)).append(took_s * 1000.0)
        self._totals_ms[stage] += took_s * 1000.0

    def reset(self) -> None:
        """Drop every run."""
        self._runs.clear()
        self._totals_ms.clear()

    def stages(self) -> dict[str, Stage]:
        """The figures of each stage that has run."""
        return {stage: _figures(runs) for stage, runs in self._runs.items()}

    def totals_ms(self) -> dict[str, float]:
        """Time of each stage over all its runs since the last reset, milliseconds."""
        return dict(self._totals_ms)


def _figures(runs: Sequence[float]) -> Stage:
    p50, p95 = np.percentile(runs, (50, 95))
    return Stage(p50_ms=float(p50), p95_ms=float(p95), max_ms=max(runs), n=len(runs))
