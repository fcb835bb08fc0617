"""Publishes as JSON lines on standard output."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Iterator, Sequence

from device.config.schema import DeviceConfig
from device.errors import StateError
from device.messages import EmotionEvent, ModelInfo, TrackState
from device.mqtt.topics import Topics
from device.publishing.face_states import open_face_states
from device.publishing.protocols import ended_tracks
from device.standard_streams import discard_output, unwritable


class JsonLinesPublisher:
    """Prints events, one JSON object a line, and nothing else.

    Args:
        device: the device's id, which each event names.
        seq: numbers of the events; default: from 1.
    """

    remote = None

    def __init__(self, device: str | None = None, seq: Iterator[int] | None = None) -> None:
        self._device = device
        self._seq = itertools.count(1) if seq is None else seq

    def publish(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Print the events.

        Raises:
            StateError: standard output was closed by its reader, or cannot be written.
        """
        for event in events:
            _print(dataclasses.replace(event, seq=next(self._seq), device=self._device).to_json())

    def close(self) -> None:
        """Nothing waits: each line was flushed."""


class SummaryLinesPublisher:
    """Prints summaries of groups, one JSON object a line, for purposes that allow nothing else."""

    remote = None

    def __init__(self, config: DeviceConfig, model: ModelInfo) -> None:
        self._face_states = open_face_states(config, Topics(config), model.labels)

    def publish(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Print the summary if it is due and there is a group.

        Raises:
            StateError: standard output was closed by its reader, or cannot be written.
        """
        for message in self._face_states.observe(faces, ended_tracks(events), time.monotonic()):
            _print(message.payload)

    def close(self) -> None:
        """Nothing waits: each line was flushed."""


def _print(line: str) -> None:
    if sys.stdout is None:
        raise StateError("standard output is closed, so the events cannot be printed; set device.mqtt.host.")
    try:
        print(line, flush=True)
    except BrokenPipeError as error:
        discard_output()
        raise StateError("standard output is closed: the program that read the events has ended.") from error
    except OSError as error:
        discard_output()
        raise unwritable(error) from error
