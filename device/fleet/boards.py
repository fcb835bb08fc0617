"""What is known of every board of a fleet, gathered from what it says. Knows nothing of connections or screens."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from device.fleet.parsing import Health, Status, to_health, to_object, to_status
from device.mqtt.topics import AVAILABILITY, HEALTH, OFFLINE, ONLINE, STATUS

NAME = r"[A-Za-z0-9_-]{1,64}"  # what device.id may be
HEARD = (AVAILABILITY, STATUS, HEALTH)
KEPT = 100  # times of one kind that are remembered of a board


def _times() -> deque[float]:
    return deque(maxlen=KEPT)


@dataclass
class Board:
    """One board. Times are monotonic seconds; only what is said while somebody listens has one."""

    name: str
    online: bool | None = None  # None: it never said
    status: Status | None = None
    health: Health | None = None
    heard_s: float | None = None  # its last word, on whichever topic; what the broker says for it does not count
    offline_s: float | None = None
    losses: deque[float] = field(default_factory=_times)  # when it went offline
    restarts: deque[float] = field(default_factory=_times)  # when its process turned out to be a new one
    deeper: int = 0  # health messages in a row, each with a deeper outbox than the one before
    dropped: int = 0  # events that it gave up since somebody listens
    unreadable: set[str] = field(default_factory=set)  # topics whose last message made no sense

    @property
    def known(self) -> bool:
        """It has ever said anything, or the broker has for it."""
        return not (self.online is None and self.status is None and self.health is None and not self.unreadable)

    def hear(self, channel: str, payload: bytes, retained: bool, now_s: float) -> None:
        """Take in one message; an empty one that is retained takes back what was said there."""
        if not retained and payload != OFFLINE.encode():
            self.heard_s = now_s
        self.unreadable.discard(channel)
        if channel == AVAILABILITY.address:
            self._hear_availability(payload, retained, now_s)
        elif not payload:
            self._forget(channel)
        elif (said := to_object(payload)) is None:
            self.unreadable.add(channel)
        elif channel == STATUS.address:
            self.status = to_status(said)
        else:
            self._take_health(to_health(said), now_s)

    def _hear_availability(self, payload: bytes, retained: bool, now_s: float) -> None:
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

    def _forget(self, channel: str) -> None:
        if channel == STATUS.address:
            self.status = None
        else:
            self.health = None

    def _take_health(self, health: Health, now_s: float) -> None:
        before, self.health = self.health, health
        if before is None:
            return
        if _grew(health.uptime_s, before.uptime_s):
            self.restarts.append(now_s)
        self.deeper = self.deeper + 1 if _grew(before.depth, health.depth) else 0
        if _grew(before.dropped, health.dropped):
            self.dropped += (health.dropped or 0) - (before.dropped or 0)


class Boards:
    """All boards under one base topic.

    Args:
        base_topic: device.mqtt.base_topic.
        names: boards that must be there; each is known of before it speaks.
    """

    def __init__(self, base_topic: str, names: Iterable[str] = ()) -> None:
        self.named = frozenset(names)
        self.strange = 0  # messages under our topics that no board can have sent
        self._boards = {name: Board(name) for name in self.named}
        self._base = base_topic
        channels = "|".join(channel.address for channel in HEARD)
        self._topic = re.compile(f"{re.escape(base_topic)}/({NAME})/({channels})")

    def filters(self) -> list[str]:
        """The topics to listen to."""
        return [f"{self._base}/+/{channel.address}" for channel in HEARD]

    def hear(self, topic: str, payload: bytes, retained: bool, now_s: float) -> None:
        """Take in one message, whatever it is; `now_s` is monotonic."""
        match = self._topic.fullmatch(topic)
        if match is None:
            self.strange += 1
            return
        name, channel = match[1], match[2]
        board = self._boards.setdefault(name, Board(name))
        board.hear(channel, payload, retained, now_s)
        if not board.known and name not in self.named:  # somebody cleared its topics: it is no board any more
            del self._boards[name]

    def all(self) -> list[Board]:
        """Every board, by name."""
        return [self._boards[name] for name in sorted(self._boards)]


def _grew(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and after > before
