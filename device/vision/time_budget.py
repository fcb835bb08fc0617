"""How long a frame may take, and whether one more piece of work still fits in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from device.config.schema import PipelineConfig
from device.host import board

Clock = Callable[[], float]  # seconds, never running back

PLANNED = 0.9  # of the budget; the rest is for what other programs do to us meanwhile
ASK_S = 5.0  # between two questions whether the board holds back
GAIN, DEVIATION_GAIN, DEVIATIONS = 1 / 8, 1 / 4, 4  # of the estimate of a cost: those of TCP's time-out (RFC 6298)


@dataclass
class Cost:
    """What a piece of work is expected to take at most, from what it took lately (Jacobson 1988)."""

    mean_s: float = 0.0
    deviation_s: float = 0.0
    runs: int = 0

    def learn(self, took_s: float) -> None:
        """Count one run; the very first warms up, and tells nothing of the next."""
        self.runs += 1
        if self.runs <= 2:
            self.mean_s, self.deviation_s = (took_s, took_s / 2) if self.runs == 2 else (0.0, 0.0)
            return
        error_s = took_s - self.mean_s
        self.mean_s += GAIN * error_s
        self.deviation_s += DEVIATION_GAIN * (abs(error_s) - self.deviation_s)

    @property
    def most_s(self) -> float:
        """Seconds; 0 before the second run."""
        return self.mean_s + DEVIATIONS * self.deviation_s


class Budget:
    """The time of one frame, shared out among pieces of work.

    Args:
        config: how much there is.
        clock: what time it is.
        held_back: whether the board's firmware throttles; asked every few seconds. The budget shrinks meanwhile, so
            that the board works less and cools: faces are read less often, none is read worse.
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
        self._asked_s = -ASK_S
        self._began_s = 0.0
        self._costs: dict[str, Cost] = {}

    def begin(self) -> None:
        """A frame begins."""
        self._began_s = self._clock()
        if self._config.budget_ms is not None and self._began_s - self._asked_s >= ASK_S:
            self._hot, self._asked_s = self._held_back(), self._began_s

    def affords(self, work: str, share: float = 1.0, leaving: str | None = None) -> bool:
        """Whether one more piece of work would be done in time.

        Args:
            work: its kind.
            share: of the frame's time, by the end of which it must be done.
            leaving: a kind of work that must still be possible afterwards.
        """
        if self._config.budget_ms is None:
            return True
        allowed_s = share * PLANNED * self._config.budget_ms / 1000.0 * (self._config.hot_share if self._hot else 1.0)
        return self._clock() - self._began_s + self._most_s(work) + self._most_s(leaving) <= allowed_s

    @contextmanager
    def spend(self, work: str) -> Iterator[None]:
        """Do a piece of work, and learn what it costs."""
        began_s = self._clock()
        yield
        self._costs.setdefault(work, Cost()).learn(self._clock() - began_s)

    def _most_s(self, work: str | None) -> float:
        cost = self._costs.get(work) if work is not None else None
        return cost.most_s if cost is not None else 0.0
