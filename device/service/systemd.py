"""Tells systemd how the service is: ready, alive, stopping. Outside systemd it says nothing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

SOCKET_TIMEOUT_S = 1.0  # should systemd itself hang, the device does not hang with it


class Notifier:
    """One datagram a state, as sd_notify(3) describes.

    Args:
        address: path of systemd's socket, "@" first for an abstract one; None says nothing.
        watchdog_s: without a sign of life for this long systemd restarts the service; None: it does not watch.
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
        """What systemd asked of this process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        usec = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        with_still_time = usec.isdigit() and int(usec) > 0 and meant
        return cls(environment.get("NOTIFY_SOCKET") or None, int(usec) / 1e6 if with_still_time else None)

    def ready(self) -> None:
        """The service does its work."""
        self._say("READY=1")

    def alive(self) -> None:
        """Work was done; may be called for every frame, for it is passed on twice an interval of the watchdog."""
        now_s = self._clock()
        if self._watchdog_s is not None and now_s - self._alive_s >= self._watchdog_s / 2:
            self._alive_s = now_s
            self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._say(f"STATUS={text}")

    def _say(self, state: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.settimeout(SOCKET_TIMEOUT_S)
            end.sendto(state.encode(), address)
