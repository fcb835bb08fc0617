"""Sends events from the outbox to the broker: in order, and never more at once than there is room
for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from device.messages import EmotionEvent
from device.outbox.outbox import Outbox

Send = Callable[[EmotionEvent, float], int]


class EventSender:
    """Between outbox and connection; used by one thread.

    Args:
        outbox: where events wait.
        room: how many more messages may be in flight now.
        send: sends one event, recorded at a time of the outbox; returns the message number that its
            acknowledgement will carry, or 0 if it cannot be sent on this connection.
    """

    def __init__(self, outbox: Outbox, room: Callable[[], int], send: Send) -> None:
        self._outbox = outbox
        self._room = room
        self._send = send
        self._connected_s: float | None = None  # start of the connection, in the outbox's time
        self._in_flight: dict[int, int] = {}  # message number -> seq
        self._last_sent = 0  # seq

    @property
    def idle(self) -> bool:
        """Nothing is in flight, and nothing waits that could be sent now."""
        return self._connected_s is None or not (self._in_flight or self._outbox.pending(1, self._last_sent))

    def connected(self) -> None:
        """Start on a new connection; events that were not acknowledged are sent again."""
        self._connected_s = self._outbox.now_s()
        self._in_flight = {}
        self._last_sent = 0
        self.pump()

    def lost(self) -> None:
        """The connection is lost; events wait for the next one."""
        self._connected_s = None
        self._in_flight = {}

    def pump(self) -> None:
        """Send as many events as there is room for."""
        room = self._room()
        if self._connected_s is None or room <= 0:
            return
        for waiting in self._outbox.pending(room, self._last_sent):
            seq = waiting.event.seq or 0
            event = dataclasses.replace(waiting.event, replayed=waiting.recorded_s < self._connected_s)
            if number := self._send(event, waiting.recorded_s):
                self._in_flight[number] = seq
            self._last_sent = seq

    def acknowledged(self, number: int, taken: bool) -> bool:
        """Handle an acknowledgement: accepted events are deleted, refused ones wait for the next
        connection.

        Returns:
            whether the number belonged to an event.
        """
        seq = self._in_flight.pop(number, None)
        if seq is not None and taken:
            self._outbox.acknowledge([seq])
        return seq is not None
