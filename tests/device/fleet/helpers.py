"""A board that sends messages to `Boards`, without a broker."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from device.config.schema import FleetConfig
from device.fleet.boards import Boards
from device.fleet.health_rules import Assessment, assess

LIMITS = FleetConfig()
GOOD: dict[str, Any] = {
    "uptime_s": 600.0,
    "fps": 15.0,
    "last_frame_age_s": 0.1,
    "stages": {"total": {"p95_ms": 25.0}},
    "temperature_c": 50.5,
    "throttling": {"now": [], "since_boot": []},
    "outbox": {"depth": 0, "dropped": 0, "oldest_age_s": None, "trouble": None},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


class Hall:
    """The board `hall`. Its methods send messages at the time `now_s`, which a test may change.

    Args:
        named: the names in the inventory; none for no inventory.
    """

    def __init__(self, *named: str) -> None:
        self.boards = Boards("emotion", named)
        self.now_s = 1000.0

    def send(self, channel: str, payload: Any, retained: bool = False) -> Hall:
        """Send text as it is, or another value as JSON."""
        body = payload if isinstance(payload, str) else json.dumps(payload)
        self.boards.handle_message(f"emotion/hall/{channel}", body.encode(), retained, self.now_s)
        return self

    def good(self, camera: str = "running", **status: Any) -> Hall:
        """Send the messages of a healthy board."""
        values = {"camera": camera, "model": {"name": "student", "version": "7", "digest": "ab" * 32}, **status}
        return self.send("availability", "online").send("status", values).send("health", GOOD)

    def health(self, **values: Any) -> Hall:
        """Send a health message with changed values."""
        return self.send("health", GOOD | values)

    def outbox(self, **values: Any) -> Hall:
        """Send a health message with changed values of the outbox."""
        return self.health(outbox=GOOD["outbox"] | values)

    def assess(self, since_s: float = 0.0) -> Assessment:
        """Assess the board, with a subscription that began at `since_s`."""
        (board,) = (board for board in self.boards.all() if board.name == "hall")
        named = not self.boards.named or "hall" in self.boards.named
        return assess(board, LIMITS, self.now_s, since_s, named)


def boards_with(*availability: tuple[str, str]) -> Boards:
    """Boards with retained availability messages: (name, payload)."""
    boards = Boards("emotion")
    for name, payload in availability:
        boards.handle_message(f"emotion/{name}/availability", payload.encode(), True, 0.0)
    return boards
