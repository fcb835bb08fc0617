"""Publishes to an MQTT broker, from a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.errors import BrokerError
from device.host.paths import state_dir
from device.messages import CameraState, EmotionEvent, Health, ModelInfo, ModelUpdate, TrackState
from device.outbox.outbox import Outbox
from device.publishing.base import _ended
from device.publishing.command_inbox import Request
from device.publishing.mqtt_worker import Camera, Close, Done, Inbox, MqttWorker, Seen, Trouble, Updated
from device.publishing.status import Progress

GRACE_S = 1.0  # the session's thread keeps the same time limit, and knows better what went wrong


FORGET = 1000  # events at once


SLICE_S = 0.2  # a signal that comes just before a wait does not end it, so no wait is long


class MqttPublisher:
    """Speaks to a broker; the topics and their meaning stand in docs/events.md. Raises what `open_publisher` raises."""

    def __init__(self, config: DeviceConfig, model: ModelInfo, update: ModelUpdate | None = None) -> None:
        self._config = config.mqtt
        self._shutdown_s = config.shutdown_s
        self._inbox: Inbox = queue.SimpleQueue()
        self._outbox = Outbox(state_dir(config), config.outbox)
        self._groups_only = usage_policy.aggregate(config)
        if self._groups_only:
            _forget(self._outbox)
        self._worker = MqttWorker(config, model, self._outbox, self._inbox, update)
        self._thread = threading.Thread(target=self._worker.run, name="mqtt", daemon=True)
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
        return self._worker.health()

    def requests(self) -> list[Request]:
        """What was asked for at `cmd/request/...`."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._worker.requests.get_nowait())
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
        while not self._worker.opened.wait(SLICE_S):
            if time.monotonic() > deadline_s:  # a name server that is silent holds up even a connect with a time limit
                self._inbox.put(Close(0.0))  # should it come after all
                where = f"the MQTT broker at {self._config.host}:{self._config.port}"
                raise BrokerError(f"{where} does not answer within {patience_s:g} s; check device.mqtt.host and port.")
        if self._worker.failure is not None:
            self._outbox.close()
            raise self._worker.failure

    def _check(self) -> None:
        """What went wrong on the session's thread is raised on the main one."""
        if self._worker.failure is not None:
            raise self._worker.failure


def _forget(outbox: Outbox) -> None:
    """What an earlier life wrote down about single people is not said any more."""
    while waiting := outbox.pending(FORGET):
        outbox.acknowledge(old.event.seq for old in waiting if old.event.seq is not None)
