"""What the service needs of a publisher, and what only a connection to a broker offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from device.messages import EmotionEvent, Health, TrackState
from device.publishing.command_inbox import Request
from device.publishing.reports import Report


class Remote(Protocol):
    """The other end of an MQTT connection: it is sent reports, and sends requests."""

    def report(self, report: Report) -> None:
        """Publish what changed; progress is collected for the next health message."""

    def health(self) -> Health | None:
        """The health message of this moment; None before the first progress. Thread-safe."""

    def requests(self) -> list[Request]:
        """Requests received since the last call; each needs an `answer`."""

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        """Send the response to a request. Thread-safe."""


class Publisher(Protocol):
    """Where the service sends its results. Every method may raise EmotionEdgeError."""

    @property
    def remote(self) -> Remote | None:
        """For reports and requests; None if the output is JSON lines."""

    def publish(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Publish the result of one frame: its events, and the state of each face seen on it."""

    def close(self) -> None:
        """Send what can still be sent, then disconnect."""


def ended_tracks(events: Sequence[EmotionEvent]) -> tuple[int, ...]:
    """Tracks that end with these events."""
    return tuple(event.track for event in events if event.type == "end")
