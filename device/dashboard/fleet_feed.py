"""The report on all boards, renewed on a thread of its own."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

from device.config.schema import DeviceConfig
from device.dashboard.live_state import LiveState
from device.errors import EmotionEdgeError
from device.fleet.boards import Boards
from device.fleet.monitor import FleetMonitor
from device.fleet.report import make_report
from device.mqtt import credentials
from device.mqtt.client import backoff

log = logging.getLogger(__name__)

RENEW_S = 1.0
STOP_S = 3.0  # a broker that hangs does not keep the program from ending


class FleetFeed:
    """Keeps the report current; a context manager.

    Args:
        config: the broker and the limits of the health rules.
        boards: those that must be there are named in it.
        expected: how many boards there must be; None for any number.
        state: learns whether the broker is connected.

    Raises:
        UsageError: the settings of the connection are invalid. A broker that cannot be reached is
            no error: it is tried again.
    """

    def __init__(self, config: DeviceConfig, boards: Boards, expected: int | None, state: LiveState) -> None:
        self._config, self._boards, self._expected, self._state = config, boards, expected, state
        self._report = self._without_broker("not connected yet")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dashboard-fleet", daemon=True)
        self._monitor = FleetMonitor(config, boards, expected)

    def __enter__(self) -> FleetFeed:
        credentials.user(self._config.mqtt)
        credentials.tls(self._config.mqtt)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_S)

    def report(self) -> dict[str, Any]:
        """The report as `device fleet --json` prints it."""
        return self._report

    def _run(self) -> None:
        delays = backoff(self._config.mqtt.reconnect_min_s, self._config.mqtt.reconnect_max_s)
        while not self._stop.is_set():
            try:
                with self._monitor:
                    self._follow()
            except EmotionEdgeError as error:
                log.warning("%s", error)
                self._report = self._without_broker(str(error))
                self._state.set_broker(False, str(error))
                self._stop.wait(next(delays))

    def _follow(self) -> None:
        """Renew the report; the monitor replaces a connection that is lost."""
        while not self._stop.is_set():
            self._monitor.receive(RENEW_S)
            report = json.loads(self._monitor.report().to_json())
            self._report = report
            self._state.set_broker(report["trouble"] is None, report["trouble"])

    def _without_broker(self, trouble: str) -> dict[str, Any]:
        now_s = time.monotonic()
        report = make_report(self._boards, self._config.fleet, now_s, now_s, self._expected, trouble)
        document: dict[str, Any] = json.loads(report.to_json())
        return document
