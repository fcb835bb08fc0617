"""One connection of a browser: its requests, checked, and the answers with their headers."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from device.dashboard.access import Access
from device.dashboard.request_reader import RequestReader, RequestTooLargeError
from device.dashboard.responses import HTML, RequestError, Response, sentence
from device.dashboard.routes import Request, Routes
from device.dashboard.streams import STREAM_HEADERS, stream

WRITE_S = 10.0  # a browser that takes nothing for so long is given up
MAX_PARAMETERS = 10
STREAM = "/api/stream"
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# A cookie that is SameSite=Strict is sent only if the next request comes from a page of ours.
SIGNED_IN = b'<!doctype html><html lang="en"><meta http-equiv="refresh" content="0;url=/"><title>emotion-edge</title>\n'


class Site(Protocol):
    """What the handler needs of its server."""

    routes: Routes
    access: Access
    stopping: threading.Event

    def stream_slot(self) -> AbstractContextManager[bool]:
        """Whether there is room for one more stream; it is given back at the end."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, and refuses everything else."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Bound what is read from the connection."""
        super().setup()
        self._site = cast(Site, self.server)
        self._reader = RequestReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """Read a request and answer it; a connection that breaks or is too slow is closed."""
        self._reader.begin()
        try:
            super().handle_one_request()
        except RequestTooLargeError:
            self.requestline, self.request_version, self.command = "", "HTTP/1.1", "GET"
            self.send_error(431)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer."""
        self.connection.settimeout(WRITE_S)
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body is not read, and must not pass for the next request
        try:
            self._answer()
        except RequestError as error:
            self._send(sentence(error.status, str(error)))

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is no valid one; the connection is closed."""
        self.close_connection = True
        if self.request_version == "HTTP/0.9":  # also where the version could not be read
            self.request_version = "HTTP/1.1"  # or no status would be sent
        if code == HTTPStatus.NOT_IMPLEMENTED:  # a method without its `do_`
            self._send(Response(405, headers={"Allow": "GET, HEAD"}))
            return
        self._send(sentence(code, f"{HTTPStatus(code).phrase}."))

    def version_string(self) -> str:
        """The `Server` header, without versions."""
        return "emotion-edge"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: an address may hold the token."""

    def _answer(self) -> None:
        access = self._site.access
        if not access.knows_host(self.headers.get("Host")):
            raise RequestError(421, "This server has another name; call it by its IP address.")
        path, query = _split(self.path)
        if "token" in query:
            self._sign_in(query["token"])
        elif not access.permits(self.headers.get("Authorization"), self.headers.get("Cookie")):
            text = sentence(401, "Open this page with the token once: add /?token=... to its address.")
            self._send(Response(401, text.content_type, text.body, {"WWW-Authenticate": "Bearer"}))
        elif path == STREAM:
            self._stream()
        else:
            request = Request(
                path,
                query,
                self.headers.get("If-None-Match"),
                "gzip" in self.headers.get("Accept-Encoding", ""),
            )
            self._send(self._site.routes.respond(request))

    def _sign_in(self, token: str) -> None:
        access = self._site.access
        if access.token is not None and not access.is_token(token):
            raise RequestError(401, "This is not the token.")
        headers = {"Set-Cookie": access.cookie()} if access.token is not None else {}
        self._send(Response(200, HTML, SIGNED_IN, headers | {"Cache-Control": "no-store"}))

    def _stream(self) -> None:
        self.close_connection = True
        with self._site.stream_slot() as free:
            if not free:
                raise RequestError(503, "Too many pages follow this board; this one asks for /api/state instead.")
            self._send_head(Response(200, "text/event-stream", b"", STREAM_HEADERS))
            if self.command != "HEAD":
                stream(self.connection, self._site.routes.state, self._site.stopping)

    def _send(self, response: Response) -> None:
        body = response.body
        if isinstance(body, bytes):
            length = {} if response.status == 304 else {"Content-Length": str(len(body))}
            self._send_head(Response(response.status, response.content_type, b"", response.headers | length))
            if self.command != "HEAD":
                self.wfile.write(body)
        else:
            self._send_parts(response, body)

    def _send_parts(self, response: Response, parts: Iterator[bytes]) -> None:
        """Send a body of unknown length; with HTTP/1.0 the end of the connection is its end."""
        chunked = self.request_version == "HTTP/1.1"
        self.close_connection = self.close_connection or not chunked
        headers = response.headers | ({"Transfer-Encoding": "chunked"} if chunked else {})
        self._send_head(Response(response.status, response.content_type, b"", headers))
        if self.command == "HEAD":
            return
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, response: Response) -> None:
        self.connection.settimeout(WRITE_S)
        self.send_response(response.status)
        headers = {"Content-Type": response.content_type, "Cache-Control": "no-store"} | response.headers
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in (SECURITY_HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()


def _split(address: str) -> tuple[str, dict[str, str]]:
    """The path and the parameters of an address, decoded."""
    try:
        parts = urlsplit(address)
        return unquote(parts.path), dict(parse_qsl(parts.query, max_num_fields=MAX_PARAMETERS))
    except ValueError as error:
        raise RequestError(400, "This address cannot be parsed, or has too many parameters.") from error
