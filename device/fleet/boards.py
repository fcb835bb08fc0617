"""The state of every board of a fleet, collected from its messages.

This module needs no connection and no screen.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from device.fleet.parsing import Health, Status, to_health, to_status
from device.message_parser import InvalidMessageError
from device.mqtt.topics import AVAILABILITY, HEALTH, OFFLINE, ONLINE, STATUS

NAME = r"[A-Za-z0-9_-]{1,64}"  # valid values of device.id
CHANNELS = (AVAILABILITY, STATUS, HEALTH)
MAX_TIMES = 100  # times of one kind kept for a board


def _times() -> deque[float]:
    return deque(maxlen=MAX_TIMES)


@dataclass
class Board:
    """The state of one board.

    Times are monotonic seconds. Retained messages set no time: when they were sent is unknown.
    """

    name: str
    online: bool | None = None  # None: no availability message received
    status: Status | None = None
    health: Health | None = None
    last_message_s: float | None = None  # on any topic; not the last will, which the broker sends
    offline_s: float | None = None
    losses: deque[float] = field(default_factory=_times)  # when it went offline
    restarts: deque[float] = field(default_factory=_times)  # when its uptime became smaller
    growing: int = 0  # health messages in a row, each with a deeper outbox than the one before
    dropped: int = 0  # events dropped since the first health message
    unreadable: set[str] = field(default_factory=set)  # topics whose last message was invalid

    @property
    def known(self) -> bool:
        """Whether the broker sent any message of this board."""
        return not (self.online is None and self.status is None and self.health is None and not self.unreadable)

    def handle_message(self, channel: str, payload: bytes, retained: bool, now_s: float) -> None:
        """Update the state from one message; an empty payload clears what the topic contained."""
        if not retained and payload != OFFLINE.encode():
            self.last_message_s = now_s
        self.unreadable.discard(channel)
        if channel == AVAILABILITY.address:
            self._set_availability(payload, retained, now_s)
        elif not payload:
            self._clear(channel)
        else:
            try:
                self._set_message(channel, payload, now_s)
            except InvalidMessageError:
                self.unreadable.add(channel)

    def _set_availability(self, payload: bytes, retained: bool, now_s: float) -> None:
        before = self.online
        self.online = {ONLINE.encode(): True, OFFLINE.encode(): False}.get(payload)
        if self.online is None and payload:
            self.unreadable.add(AVAILABILITY.address)
        if self.online is False and not retained:
            self.offline_s = now_s
            if before:
                self.losses.append(now_s)
        elif self.online is not False:
            self.offline_s = None

    def _clear(self, channel: str) -> None:
        if channel == STATUS.address:
            self.status = None
        else:
            self.health = None

    def _set_message(self, channel: str, payload: bytes, now_s: float) -> None:
        if channel == STATUS.address:
            self.status = to_status(payload)
        else:
            self._set_health(to_health(payload), now_s)

    def _set_health(self, health: Health, now_s: float) -> None:
        before, self.health = self.health, health
        if before is None:
            return
        if _grew(health.uptime_s, before.uptime_s):
            self.restarts.append(now_s)
        self.growing = self.growing + 1 if _grew(before.depth, health.depth) else 0
        if _grew(before.dropped, health.dropped):
            self.dropped += (health.dropped or 0) - (before.dropped or 0)


class Boards:
    """All boards under one base topic.

    Args:
        base_topic: device.mqtt.base_topic.
        names: boards that must be there; each is listed even without a message.
    """

    def __init__(self, base_topic: str, names: Iterable[str] = ()) -> None:
        self.named = frozenset(names)
        self.unknown_topics = 0  # messages on topics that match our filters but belong to no board
        self._boards = {name: Board(name) for name in self.named}
        self._base = base_topic
        channels = "|".join(channel.address for channel in CHANNELS)
        self._topic = re.compile(f"{re.escape(base_topic)}/({NAME})/({channels})")

    def filters(self) -> list[str]:
        """The topic filters to subscribe to."""
        return [f"{self._base}/+/{channel.address}" for channel in CHANNELS]

    def handle_message(self, topic: str, payload: bytes, retained: bool, now_s: float) -> None:
        """Update the state of the message's board; accepts any message. `now_s` is monotonic."""
        match = self._topic.fullmatch(topic)
        if match is None:
            self.unknown_topics += 1
            return
        name, channel = match[1], match[2]
        board = self._boards.setdefault(name, Board(name))
        board.handle_message(channel, payload, retained, now_s)
        if not board.known and name not in self.named:  # all its topics are cleared: it was removed
            del self._boards[name]

    def all(self) -> list[Board]:
        """Every board, sorted by name."""
        return [self._boards[name] for name in sorted(self._boards)]


def _grew(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and after > before
