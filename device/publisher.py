"""How it is said: the session with the broker on a thread of its own, or JSON lines on standard output.

The main thread writes events into the outbox and leaves the rest in an inbox; the session's thread alone speaks MQTT.
So a broker that is slow, away or back never holds up the chain.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from device import privacy
from device.commands import Request
from device.config import DeviceConfig
from device.crowd import open_presence
from device.errors import BrokerError, StateError
from device.events import CameraState, EmotionEvent, Health, ModelInfo, ModelUpdate, TrackState
from device.outbox import Outbox, state_dir
from device.speaker import Camera, Close, Done, Inbox, Seen, Speaker, Trouble, Updated
from device.topics import Topics
from device.vitals import Progress

GRACE_S = 1.0  # the session's thread keeps the same time limit, and knows better what went wrong
FORGET = 1000  # events at once
SLICE_S = 0.2  # a signal that comes just before a wait does not end it, so no wait is long


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


def open_publisher(config: DeviceConfig, model: ModelInfo, update: ModelUpdate | None = None) -> Publisher:
    """The publisher that the settings ask for.

    Args:
        config: the settings.
        model: what `status` says about the network.
        update: ... and of the last one that was to be installed.

    Raises:
        BrokerError: there is no broker at device.mqtt.host, or it refuses us.
        ConfigError: a setting cannot stand in a topic; the password or the certificate authority cannot be read.
        StateError: the state folder cannot be written.
    """
    if config.mqtt.host is None:
        return SummaryLinesPublisher(config, model) if privacy.aggregate(config) else JsonLinesPublisher()
    return MqttPublisher(config, model, update)


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
        self._presence = open_presence(config, Topics(config), model.labels)

    def observe(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Print the summary, if it is due and there is a group; raises as `JsonLinesPublisher.observe` does."""
        for message in self._presence.observe(faces, _ended(events), time.monotonic()):
            _print(message.payload)


class MqttPublisher:
    """Speaks to a broker; the topics and their meaning stand in docs/events.md. Raises what `open_publisher` raises."""

    def __init__(self, config: DeviceConfig, model: ModelInfo, update: ModelUpdate | None = None) -> None:
        self._config = config.mqtt
        self._shutdown_s = config.shutdown_s
        self._inbox: Inbox = queue.SimpleQueue()
        self._outbox = Outbox(state_dir(config), config.outbox)
        self._groups_only = privacy.aggregate(config)
        if self._groups_only:
            _forget(self._outbox)
        self._speaker = Speaker(config, model, self._outbox, self._inbox, update)
        self._thread = threading.Thread(target=self._speaker.run, name="mqtt", daemon=True)
        self._thread.start()
        self._await_connection()

    def observe(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Write the events down, and have the rest said."""
        self._check()
        if events and not self._groups_only:
            self._outbox.append(*events)
        self._inbox.put(Seen(time.monotonic(), tuple(faces), _ended(events)))

    def report(self, progress: Progress) -> None:
        """Keep the figures for the next health message."""
        self._inbox.put(progress)

    def camera(self, state: CameraState, error: str | None = None) -> None:
        """Say it in `status`."""
        self._inbox.put(Camera(state, error))

    def trouble(self, config_error: str | None) -> None:
        """Say it in `status`."""
        self._inbox.put(Trouble(config_error))

    def updated(self, update: ModelUpdate | None) -> None:
        """Say it in `status`."""
        self._inbox.put(Updated(update))

    def health(self) -> Health | None:
        """As `health` would say it now."""
        return self._speaker.health()

    def requests(self) -> list[Request]:
        """What was asked for at `cmd/request/...`."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._speaker.requests.get_nowait())
        return found

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        """Say it at `cmd/response/...`."""
        self._inbox.put(Done(request, data, error))

    def close(self) -> None:
        """Wait for what is under way, at most shutdown_s, then say `offline`; what is left stays on disk."""
        self._inbox.put(Close(self._shutdown_s))
        self._thread.join(self._shutdown_s + 2.0)
        self._outbox.close()
        self._check()

    def _await_connection(self) -> None:
        patience_s = self._config.connect_timeout_s
        deadline_s = time.monotonic() + patience_s + GRACE_S
        while not self._speaker.opened.wait(SLICE_S):
            if time.monotonic() > deadline_s:  # a name server that is silent holds up even a connect with a time limit
                self._inbox.put(Close(0.0))  # should it come after all
                where = f"the MQTT broker at {self._config.host}:{self._config.port}"
                raise BrokerError(f"{where} does not answer within {patience_s:g} s; check device.mqtt.host and port.")
        if self._speaker.failure is not None:
            self._outbox.close()
            raise self._speaker.failure

    def _check(self) -> None:
        """What went wrong on the session's thread is raised on the main one."""
        if self._speaker.failure is not None:
            raise self._speaker.failure


def _ended(events: Sequence[EmotionEvent]) -> tuple[int, ...]:
    """Tracks that ended."""
    return tuple(event.track for event in events if event.type == "end")


def _forget(outbox: Outbox) -> None:
    """What an earlier life wrote down about single people is not said any more."""
    while waiting := outbox.pending(FORGET):
        outbox.acknowledge(old.event.seq for old in waiting if old.event.seq is not None)


def _print(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again at exit
        raise StateError("standard output is closed: whoever read the events has gone.") from error
