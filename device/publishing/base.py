"""What the main loop needs of a publisher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from device.messages import CameraState, EmotionEvent, Health, ModelUpdate, TrackState
from device.publishing.command_inbox import Request
from device.publishing.status import Progress


class Publisher(Protocol):
    """Where the chain leaves what it found. Every method may raise EmotionEdgeError if that is no longer possible."""

    def observe(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """One frame's worth: what happened, and how each face that was seen reads."""

    def report(self, progress: Progress) -> None:
        """How the chain is doing; about once a second is often enough."""

    def camera(self, state: CameraState, error: str | None = None) -> None:
        """What the camera does from now on, and what is wrong with it."""

    def trouble(self, config_error: str | None) -> None:
        """Why settings that were read again are not in force; None if they are."""

    def updated(self, update: ModelUpdate | None) -> None:
        """What came of the last model that was to be installed; None if there was none."""

    def health(self) -> Health | None:
        """How the device is doing now; None while there is nothing to tell. May be called from any thread."""

    def requests(self) -> list[Request]:
        """What was asked for since the last call; each wants an `answer`."""

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        """What came of a request; may be called from any thread."""

    def close(self) -> None:
        """Say what can still be said, then take leave."""


def _ended(events: Sequence[EmotionEvent]) -> tuple[int, ...]:
    """Tracks that ended."""
    return tuple(event.track for event in events if event.type == "end")
