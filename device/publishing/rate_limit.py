"""How often something may happen: a token bucket."""

from __future__ import annotations


class RateLimit:
    """Permits `burst` at once and `rate_hz` a second in the long run; used by one thread."""

    def __init__(self, rate_hz: float, burst: int) -> None:
        self._rate_hz = rate_hz
        self._burst = float(burst)
        self._left = float(burst)
        self._at_s = 0.0

    def permits(self, now_s: float) -> bool:
        """Whether it may happen at a monotonic second; if so, it counts."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
