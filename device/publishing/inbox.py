"""What the MQTT thread works through: acknowledgements first, then the service, then messages.

Whoever may publish to the device chooses how many messages come, so these are last, and bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, TypeAlias

from device.messages import TrackState
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused
from device.publishing.command_inbox import Request
from device.publishing.reports import Report

log = logging.getLogger(__name__)

MAX_BYTES = 4_000_000  # of received messages that wait
OVERHEAD_BYTES = 500  # of each, at most


@dataclass(frozen=True)
class FrameResult:
    """One processed frame: when (monotonic seconds), the faces on it, the tracks that ended with
    it.
    """

    at_s: float
    faces: tuple[TrackState, ...]
    ended: tuple[int, ...]


@dataclass(frozen=True)
class CommandDone:
    """A request was executed: the data of its response, or its error."""

    request: Request
    data: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class Close:
    """Send what can still be sent within so many seconds, then end."""

    timeout_s: float


FromBroker: TypeAlias = Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost
FromService: TypeAlias = FrameResult | Report | CommandDone | Close


class Inbox:
    """Filled by any thread, emptied by one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._acknowledgements: deque[FromBroker] = deque()
        self._service: deque[FromService] = deque()
        self._messages: deque[MessageReceived] = deque()
        self._bytes = 0  # of the messages
        self._dropping = False

    def put(self, item: FromBroker | FromService) -> None:
        """Add an item; a message that is too much is dropped. Never blocks for long."""
        with self._changed:
            if isinstance(item, MessageReceived):
                self._put_message(item)
            elif isinstance(item, (Acknowledged, SubscribeRefused, ConnectionLost)):
                self._acknowledgements.append(item)
            else:
                self._service.append(item)
            self._changed.notify()

    def get(self, timeout_s: float) -> FromBroker | FromService | None:
        """Take the most urgent item; None if there is none within the time."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while not (self._acknowledgements or self._service or self._messages):
                if not self._changed.wait(max(0.0, deadline_s - time.monotonic())):
                    return None
            if self._acknowledgements:
                return self._acknowledgements.popleft()
            if self._service:
                return self._service.popleft()
            message = self._messages.popleft()
            self._bytes -= _size(message)
            self._dropping = self._dropping and bool(self._messages)
            return message

    def _put_message(self, message: MessageReceived) -> None:
        if self._bytes + _size(message) > MAX_BYTES:
            if not self._dropping:
                log.warning("messages arrive faster than they can be handled; some are dropped: %s", message.topic)
            self._dropping = True
            return
        self._bytes += _size(message)
        self._messages.append(message)


def _size(message: MessageReceived) -> int:
    return len(message.payload) + len(message.topic) + OVERHEAD_BYTES
