"""The web server: a thread for each connection, and so many connections at most."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from device.dashboard.access import Access
from device.dashboard.http_handler import Handler
from device.dashboard.routes import Routes
from device.errors import ListenError

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 250
MAX_STREAMS = 100  # of these
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 26\r\nConnection: close\r\n\r\nToo many connections now.\n"


class DashboardServer(ThreadingHTTPServer):
    """Serves the page. A context manager: it listens inside the `with`.

    Args:
        host, port: where to listen; port 0 takes a free one.
        routes: the answers.
        access: who may see them.

    Raises:
        ListenError: the address cannot be listened on.
    """

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, host: str, port: int, routes: Routes, access: Access) -> None:
        self.routes, self.access = routes, access
        self.stopping = threading.Event()
        self._connections = threading.Semaphore(MAX_CONNECTIONS)
        self._streams = threading.Semaphore(MAX_STREAMS)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            self.address_family, _, _, _, address = found[0]
            super().__init__(address[:2], Handler)  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "this is no name of a host"
            raise ListenError(
                f"device.dashboard: {host}:{port} cannot be listened on: {reason}; choose another with --listen "
                "HOST:PORT."
            ) from error
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="dashboard-http", daemon=True)

    def server_bind(self) -> None:
        """Bind without asking a name server for the address, which may take seconds."""
        TCPServer.server_bind(self)

    def __enter__(self) -> DashboardServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        """The page's address as a browser on this machine writes it."""
        host, port = self.server_address[:2]
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/{self.routes.views[0]}"

    @contextmanager
    def stream_slot(self) -> Iterator[bool]:
        """Whether there is room for one more stream; it is given back at the end."""
        free = self._streams.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._streams.release()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own, if there is room for it."""
        if not self._connections.acquire(blocking=False):
            with suppress(OSError):
                request.settimeout(1.0)
                request.sendall(BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer all requests of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what is a bug, and not a browser that went away; the server goes on."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log.error("a request failed", exc_info=error)
