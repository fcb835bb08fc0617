"""A board whose messages reach `WatchedBoards` without a broker."""

from __future__ import annotations

import json
from typing import Any

from device.watch.boards import Entry, WatchedBoards


def send(boards: WatchedBoards, channel: str, payload: Any, board: str = "hall", now_s: float = 0.0) -> list[Entry]:
    """Deliver text as it is, or another value as JSON."""
    body = payload if isinstance(payload, str) else json.dumps(payload)
    return boards.handle_message(f"emotion/{board}/{channel}", body.encode(), False, now_s)


def texts(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.text) for entry in entries]
