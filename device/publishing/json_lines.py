"""Publishes as JSON lines on standard output."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from device.config.schema import DeviceConfig
from device.errors import StateError
from device.messages import CameraState, EmotionEvent, Health, ModelInfo, ModelUpdate, TrackState
from device.mqtt.topics import Topics
from device.publishing.base import _ended
from device.publishing.command_inbox import Request
from device.publishing.face_states import open_face_states
from device.publishing.status import Progress


class JsonLinesPublisher:
    """Prints events, one JSON object a line, and nothing else. `seq` counts from 1 in each run."""

    def __init__(self) -> None:
        self._seq = itertools.count(1)

    def observe(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Print the events.

        Raises:
            StateError: nobody reads standard output any more.
        """
        for event in events:
            _print(dataclasses.replace(event, seq=next(self._seq)).to_json())

    def report(self, progress: Progress) -> None:
        """Nothing: the lines are events."""

    def camera(self, state: CameraState, error: str | None = None) -> None:
        """Nothing: the lines are events."""

    def trouble(self, config_error: str | None) -> None:
        """Nothing: the lines are events."""

    def updated(self, update: ModelUpdate | None) -> None:
        """Nothing: the lines are events."""

    def health(self) -> Health | None:
        """Nothing: nobody keeps the figures."""
        return None

    def requests(self) -> list[Request]:
        """Nobody can ask."""
        return []

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        """Nobody asked."""

    def close(self) -> None:
        """Nothing is left to say."""


class SummaryLinesPublisher(JsonLinesPublisher):
    """Prints summaries of groups, one JSON object a line, where nobody may be spoken of alone."""

    def __init__(self, config: DeviceConfig, model: ModelInfo) -> None:
        super().__init__()
        self._face_states = open_face_states(config, Topics(config), model.labels)

    def observe(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Print the summary, if it is due and there is a group; raises as `JsonLinesPublisher.observe` does."""
        for message in self._face_states.observe(faces, _ended(events), time.monotonic()):
            _print(message.payload)


def _print(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again at exit
        raise StateError("standard output is closed: whoever read the events has gone.") from error
