"""The time budget of a frame: whether one more piece of work fits in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from device.config.schema import PipelineConfig
from device.host import board

Clock = Callable[[], float]  # seconds, monotonic

PLANNED = 0.9  # of the budget; the rest is a reserve for other programs on the board
CHECK_S = 5.0  # between two checks whether the firmware throttles
GAIN, DEVIATION_GAIN, DEVIATIONS = 1 / 8, 1 / 4, 4  # of the estimate of a cost: as in TCP's timeout (RFC 6298)


@dataclass
class Cost:
    """Upper estimate of the time of one piece of work, from its recent runs (Jacobson 1988)."""

    mean_s: float = 0.0
    deviation_s: float = 0.0
    runs: int = 0

    def add(self, took_s: float) -> None:
        """Count one run; the first is a warm-up and is ignored."""
        self.runs += 1
        if self.runs <= 2:
            self.mean_s, self.deviation_s = (took_s, took_s / 2) if self.runs == 2 else (0.0, 0.0)
            return
        error_s = took_s - self.mean_s
        self.mean_s += GAIN * error_s
        self.deviation_s += DEVIATION_GAIN * (abs(error_s) - self.deviation_s)

    @property
    def max_s(self) -> float:
        """Seconds; 0 before the second run."""
        return self.mean_s + DEVIATIONS * self.deviation_s


class Budget:
    """The time of one frame, divided among pieces of work.

    Args:
        config: how much time a frame has.
        clock: the current time.
        held_back: whether the board's firmware throttles; checked every few seconds. The budget is
            smaller meanwhile, so that the board cools: faces are classified less often.
    """

    def __init__(
        self,
        config: PipelineConfig,
        clock: Clock = time.perf_counter,
        held_back: Callable[[], bool] = board.held_back,
    ) -> None:
        self._config = config
        self._clock = clock
        self._held_back = held_back
        self._hot = False
        self._checked_s = -CHECK_S
        self._began_s = 0.0
        self._costs: dict[str, Cost] = {}

    @property
    def unlimited(self) -> bool:
        """Whether a frame may take any time."""
        return self._config.budget_ms is None

    def begin(self) -> None:
        """Start the time of a frame."""
        self._began_s = self._clock()
        if self._config.budget_ms is not None and self._began_s - self._checked_s >= CHECK_S:
            self._hot, self._checked_s = self._held_back(), self._began_s

    def affords(self, work: str, share: float = 1.0, leaving: str | None = None) -> bool:
        """Whether one more piece of work is expected to end in time.

        Args:
            work: its kind.
            share: of the frame's time, within which it must end.
            leaving: a kind of work that must still be possible afterwards.
        """
        if self._config.budget_ms is None:
            return True
        allowed_s = share * PLANNED * self._config.budget_ms / 1000.0 * (self._config.hot_share if self._hot else 1.0)
        return self._clock() - self._began_s + self._max_s(work) + self._max_s(leaving) <= allowed_s

    @contextmanager
    def spend(self, work: str) -> Iterator[None]:
        """Time a piece of work, for later estimates."""
        began_s = self._clock()
        yield
        self._costs.setdefault(work, Cost()).add(self._clock() - began_s)

    def _max_s(self, work: str | None) -> float:
        cost = self._costs.get(work) if work is not None else None
        return cost.max_s if cost is not None else 0.0
