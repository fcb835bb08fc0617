"""Publishes to an MQTT broker, on a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from device.config import usage_policy
from device.config.schema import DeviceConfig
from device.errors import BrokerError
from device.host.paths import state_dir
from device.messages import EmotionEvent, Health, ModelInfo, ModelUpdate, TrackState
from device.outbox.outbox import Outbox
from device.publishing.command_inbox import Request
from device.publishing.inbox import Close, CommandDone, FrameResult, Inbox
from device.publishing.mqtt_worker import MqttWorker
from device.publishing.protocols import ended_tracks
from device.publishing.reports import Report

GRACE_S = 1.0  # the MQTT thread has the same time limit and reports a better reason
JOIN_GRACE_S = 2.0  # for the MQTT thread to end after its own time limit
DISCARD_BATCH = 1000  # events
POLL_S = 0.2  # a signal that arrives just before a wait does not end it, so waits are short


class MqttPublisher:
    """A publisher and a remote: docs/events.md describes the topics.

    Raises what `open_publisher` raises.
    """

    def __init__(
        self,
        config: DeviceConfig,
        model: ModelInfo,
        update: ModelUpdate | None = None,
        commands: Collection[str] = (),
    ) -> None:
        self._config = config.mqtt
        self._shutdown_s = config.shutdown_s
        self._inbox = Inbox()
        self._outbox = Outbox(state_dir(config), config.outbox)
        self._groups_only = usage_policy.aggregate(config)
        if self._groups_only:
            _discard_all(self._outbox)
        self._worker = MqttWorker(config, model, self._outbox, self._inbox, update, commands)
        self._thread = threading.Thread(target=self._worker.run, name="mqtt", daemon=True)
        self._thread.start()
        self._await_connection()

    @property
    def remote(self) -> MqttPublisher:
        """Reports and requests use the same connection."""
        return self

    def publish(self, events: Sequence[EmotionEvent], faces: Sequence[TrackState]) -> None:
        """Write the events to the outbox, and leave the rest to the MQTT thread."""
        self._raise_failure()
        if events and not self._groups_only:
            self._outbox.append(*events)
        self._inbox.put(FrameResult(time.monotonic(), tuple(faces), ended_tracks(events)))

    def report(self, report: Report) -> None:
        """Publish it in `status`; progress in the next `health`."""
        self._inbox.put(report)

    def health(self) -> Health | None:
        """The health of this moment; None before the first progress."""
        return self._worker.health()

    def requests(self) -> list[Request]:
        """Requests received at `cmd/request/...` since the last call."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._worker.requests.get_nowait())
        return found

    def answer(self, request: Request, data: dict[str, Any] | None, error: str | None = None) -> None:
        """Publish the response at `cmd/response/...`."""
        self._inbox.put(CommandDone(request, data, error))

    def close(self) -> None:
        """Wait at most shutdown_s for acknowledgements, then publish `offline`.

        The rest stays on disk.
        """
        self._inbox.put(Close(self._shutdown_s))
        self._thread.join(self._shutdown_s + JOIN_GRACE_S)
        self._outbox.close()
        self._raise_failure()

    def _await_connection(self) -> None:
        timeout_s = self._config.connect_timeout_s
        deadline_s = time.monotonic() + timeout_s + GRACE_S
        while not self._worker.opened.wait(POLL_S):
            if time.monotonic() > deadline_s:  # a silent name server blocks even a connect with a timeout
                self._inbox.put(Close(0.0))  # should the connection succeed after all
                where = f"the MQTT broker at {self._config.host}:{self._config.port}"
                raise BrokerError(f"{where} does not answer within {timeout_s:g} s; check device.mqtt.host and port.")
        if self._worker.failure is not None:
            self._outbox.close()
            raise self._worker.failure

    def _raise_failure(self) -> None:
        """An error of the MQTT thread is raised on the main one."""
        if self._worker.failure is not None:
            raise self._worker.failure


def _discard_all(outbox: Outbox) -> None:
    """Events about single people, stored under earlier settings, must not be sent any more."""
    while waiting := outbox.pending(DISCARD_BATCH):
        outbox.acknowledge(old.event.seq for old in waiting if old.event.seq is not None)
