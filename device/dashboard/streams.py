"""Server-sent events: the state whenever it changes, until the browser goes away."""

from __future__ import annotations

import select
import socket
import threading
import time

from device.dashboard.live_state import LiveState

MIN_INTERVAL_S = 0.2  # between two states
HEARTBEAT_S = 10.0  # proxies close a connection on which nothing is sent
LOOK_S = 1.0  # how often is looked whether the browser is still there
STREAM_HEADERS = {"X-Accel-Buffering": "no"}  # nginx must not collect events


def stream(connection: socket.socket, state: LiveState, stopping: threading.Event) -> None:
    """Send states until the browser is gone or the server stops.

    Raises:
        OSError: the connection is broken, or takes nothing any more.
    """
    gone = _Gone(connection)
    connection.sendall(b"retry: 2000\n\n")
    version = -1
    sent_s = 0.0
    while not stopping.is_set() and not gone():
        if state.wait(version, LOOK_S):
            version, document = state.document()
            connection.sendall(b"id: %d\nevent: state\ndata: %b\n\n" % (version, document))
            sent_s = time.monotonic()
            stopping.wait(MIN_INTERVAL_S)
        elif time.monotonic() - sent_s >= HEARTBEAT_S:
            connection.sendall(b": still here\n\n")
            sent_s = time.monotonic()


class _Gone:
    """Tells, without waiting, whether the other end has closed the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._poll = select.poll()
        self._poll.register(connection, getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR)

    def __call__(self) -> bool:
        return bool(self._poll.poll(0))
