"""A line on a terminal that shows how far a long command has come."""

from __future__ import annotations

import shutil
import sys
import time

from device.standard_streams import is_terminal

BAR = 20  # characters
STEP_S = 0.1  # between two drawings


class ProgressBar:
    """Draws on standard error, and nothing where that is not a terminal.

    Args:
        total: steps until the end.
        shown: False draws nothing.
    """

    def __init__(self, total: int, shown: bool = True) -> None:
        self._total = total
        self._shown = shown and is_terminal(sys.stderr)
        self._drawn_s = 0.0

    def show(self, done: int, text: str) -> None:
        """Draw the bar, unless it was drawn just now.

        Args:
            done: finished steps.
            text: what is being done.
        """
        now_s = time.monotonic()
        if not self._shown or now_s - self._drawn_s < STEP_S:
            return
        self._drawn_s = now_s
        full = round(BAR * done / max(1, self._total))
        line = f"[{'#' * full}{'.' * (BAR - full)}] {done} of {self._total}  {text}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:<{width}}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make the line free for other output."""
        if self._shown and self._drawn_s:
            self._drawn_s = 0.0
            print("\r\033[K", end="", file=sys.stderr, flush=True)
