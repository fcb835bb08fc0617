"""Carries events from the outbox to the broker: in order, never more under way than the window allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from device.events import EmotionEvent
from device.outbox import Outbox

Send = Callable[[EmotionEvent], int]


class Courier:
    """The window between outbox and connection; used by one thread.

    Args:
        outbox: where the events wait.
        window: at most this many are under way at once.
    """

    def __init__(self, outbox: Outbox, window: int) -> None:
        self._outbox = outbox
        self._window = window
        self._send: Send | None = None
        self._under_way: dict[int, int] = {}  # the connection's message number -> seq
        self._offered = 0  # the last seq that this connection was given
        self._replay_until = 0  # up to here, events are older than the connection

    @property
    def idle(self) -> bool:
        """Nothing is under way, and nothing waits that could be sent now."""
        return self._send is None or not (self._under_way or self._outbox.pending(1, self._offered))

    def connected(self, send: Send) -> None:
        """Begin with a new connection; what the last one had not acknowledged is offered again.

        Args:
            send: hands one event to the connection and returns the number its acknowledgement will carry.
        """
        self._send = send
        self._under_way = {}
        self._offered = 0
        self._replay_until = self._outbox.last_seq
        self.pump()

    def lost(self) -> None:
        """The connection is gone; events wait until there is another."""
        self._send = None
        self._under_way = {}

    def pump(self) -> None:
        """Offer as many events as the window has room for."""
        room = self._window - len(self._under_way)
        if self._send is None or room <= 0:
            return
        for event in self._outbox.pending(room, self._offered):
            seq = event.seq or 0
            number = self._send(dataclasses.replace(event, replayed=seq <= self._replay_until))
            self._under_way[number] = seq
            self._offered = seq

    def acknowledged(self, number: int, taken: bool) -> bool:
        """The broker answered. Taken events are forgotten; refused ones wait for the next connection.

        Returns:
            whether the number was an event's.
        """
        seq = self._under_way.pop(number, None)
        if seq is None:
            return False
        if taken:
            self._outbox.acknowledge([seq])
        self.pump()
        return True
