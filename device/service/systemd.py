"""Notifies systemd: ready, alive, stopping. Does nothing outside systemd."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

SOCKET_TIMEOUT_S = 1.0  # if systemd itself hangs, the device does not


class Notifier:
    """One datagram a state, as sd_notify(3) describes.

    Args:
        address: path of systemd's socket, starting with "@" if abstract; None: do nothing.
        watchdog_s: systemd restarts the service after so long without `alive`; None: no watchdog.
        clock: monotonic seconds.
    """

    def __init__(
        self, address: str | None, watchdog_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._clock = clock
        self._alive_s = -float("inf")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier:
        """From the environment of the process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        usec = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        has_watchdog = usec.isdigit() and int(usec) > 0 and ours
        return cls(environment.get("NOTIFY_SOCKET") or None, int(usec) / 1e6 if has_watchdog else None)

    def ready(self) -> None:
        """The service has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Work was done. May be called for every frame: it is sent twice in a watchdog interval."""
        now_s = self._clock()
        if self._watchdog_s is not None and now_s - self._alive_s >= self._watchdog_s / 2:
            self._alive_s = now_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def _send(self, state: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.settimeout(SOCKET_TIMEOUT_S)
            end.sendto(state.encode(), address)
