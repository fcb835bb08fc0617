"""Frames a second, over the last reports."""

from __future__ import annotations

from collections import deque

REPORTS = 10  # the rate is measured over so many reports


class FrameRate:
    """Counts frames and measures their rate."""

    def __init__(self) -> None:
        self.frames = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=REPORTS + 1)

    def mark(self, now_s: float) -> float | None:
        """Frames a second since the oldest kept mark; None at the first."""
        self._marks.append((now_s, self.frames))
        (oldest_s, before), (_, after) = self._marks[0], self._marks[-1]
        return (after - before) / (now_s - oldest_s) if now_s > oldest_s else None
