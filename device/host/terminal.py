"""Colours, on a terminal only."""

from __future__ import annotations

import os
import sys

from device.standard_streams import is_terminal

CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


def paint(text: str, style: str) -> str:
    """Style a text by `CODES` if stdout is a terminal and NO_COLOR is not set."""
    if not is_terminal(sys.stdout) or "NO_COLOR" in os.environ:
        return text
    return f"\033[{CODES[style]}m{text}\033[0m"
