"""Receives the messages of one board on a thread of its own, and keeps the connection."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from contextlib import suppress

from device.config.schema import MqttConfig
from device.dashboard.history import History
from device.dashboard.live_state import LiveState
from device.errors import EmotionEdgeError
from device.mqtt import credentials
from device.mqtt.client import ReconnectingClient, backoff
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused

log = logging.getLogger(__name__)

STOP_S = 3.0  # a broker that hangs does not keep the program from ending
TICK_S = 0.5  # how often the age of what is shown is checked
MAX_BATCH = 200  # messages handled between two looks at the clock
MAX_WAITING = 10_000  # messages; in a flood the next ones are dropped

Item = Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost


class BoardListener:
    """Fills the state and the history from the broker; a context manager.

    Args:
        config: the broker.
        state: what the page shows.
        history: the last day; None for none.

    Raises:
        ConfigError: a password, certificate or key cannot be used. A broker that cannot be
            reached is no error: it is tried again.
    """

    def __init__(self, config: MqttConfig, state: LiveState, history: History | None) -> None:
        self._config, self._state, self._history = config, state, history
        self._inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        client_id = f"emotion-edge-dashboard-{uuid.uuid4().hex[:12]}"
        self._client = ReconnectingClient(config, client_id, None, self._post)
        self._delays = backoff(config.reconnect_min_s, config.reconnect_max_s)
        self._due_s = 0.0  # when to connect again, monotonic seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dashboard-mqtt", daemon=True)

    def __enter__(self) -> BoardListener:
        credentials.user(self._config)
        credentials.tls(self._config)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_S)

    def _post(self, item: Item) -> None:
        if self._inbox.qsize() < MAX_WAITING or isinstance(item, ConnectionLost):
            self._inbox.put(item)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._step()
        self._client.close()

    def _step(self) -> None:
        """Handle what has arrived, connect if it is time to, and look at the clock."""
        if not self._client.up and time.monotonic() >= self._due_s:
            self._connect()
        with suppress(queue.Empty):
            self._handle(self._inbox.get(timeout=TICK_S))
            for _ in range(MAX_BATCH):
                self._handle(self._inbox.get_nowait())
        self._state.tick(time.monotonic())
        if self._history is not None:
            if (summary := self._state.empty_room()) is not None:
                self._history.add_summary(summary, repeated=True)
            self._history.tick()
            self._state.set_history_error(self._history.error)

    def _connect(self) -> None:
        try:
            self._client.open()
        except EmotionEdgeError as error:
            self._due_s = time.monotonic() + next(self._delays)
            log.warning("%s", error)
            self._state.set_broker(False, str(error))
            return
        self._delays = backoff(self._config.reconnect_min_s, self._config.reconnect_max_s)
        self._state.set_broker(True)
        self._client.subscribe(self._state.filters())

    def _handle(self, item: Item) -> None:
        if not self._client.is_current(item.connection):
            return
        match item:
            case MessageReceived(_, topic, payload, _):
                kept = self._state.handle_message(topic, payload, time.monotonic())
                if kept is not None and self._history is not None:
                    kind, values = kept
                    (self._history.add_alert if kind == "alert" else self._history.add_summary)(values)
            case SubscribeRefused(_, topic, reason):
                self._state.set_broker(True, f"The broker refuses the subscription to {topic}: {reason}.")
            case ConnectionLost(_, reason):
                self._client.lost(reason)
                self._due_s = self._client.due_s
                self._state.set_broker(False, f"The connection to the broker is lost: {reason}.")
