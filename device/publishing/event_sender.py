"""Carries events from the outbox to the broker: in order, never more under way than there is room for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from device.messages import EmotionEvent
from device.outbox.outbox import Outbox

Send = Callable[[EmotionEvent, float], int]


class EventSender:
    """What stands between outbox and connection; used by one thread.

    Args:
        outbox: where the events wait.
        room: how many more messages may be under way now.
        send: hands one event, recorded at a time of the outbox, to the connection; returns the number its
            acknowledgement will carry.
    """

    def __init__(self, outbox: Outbox, room: Callable[[], int], send: Send) -> None:
        self._outbox = outbox
        self._room = room
        self._send = send
        self._since_s: float | None = None  # when the connection began, in the outbox's time; None without one
        self._under_way: dict[int, int] = {}  # the connection's message number -> seq
        self._offered = 0  # the last seq that this connection was given

    @property
    def idle(self) -> bool:
        """Nothing is under way, and nothing waits that could be sent now."""
        return self._since_s is None or not (self._under_way or self._outbox.pending(1, self._offered))

    def connected(self) -> None:
        """Begin with a new connection; what the last one had not acknowledged is offered again."""
        self._since_s = self._outbox.now_s()
        self._under_way = {}
        self._offered = 0
        self.pump()

    def lost(self) -> None:
        """The connection is gone; events wait until there is another."""
        self._since_s = None
        self._under_way = {}

    def pump(self) -> None:
        """Offer as many events as there is room for."""
        room = self._room()
        if self._since_s is None or room <= 0:
            return
        for waiting in self._outbox.pending(room, self._offered):
            seq = waiting.event.seq or 0
            event = dataclasses.replace(waiting.event, replayed=waiting.recorded_s < self._since_s)
            self._under_way[self._send(event, waiting.recorded_s)] = seq
            self._offered = seq

    def acknowledged(self, number: int, taken: bool) -> bool:
        """The broker answered. Taken events are forgotten; refused ones wait for the next connection.

        Returns:
            whether the number was an event's.
        """
        seq = self._under_way.pop(number, None)
        if seq is not None and taken:
            self._outbox.acknowledge([seq])
        return seq is not None
