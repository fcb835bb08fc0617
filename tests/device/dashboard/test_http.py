"""The web server over real sockets: paths, headers, refusals, slow and hostile clients."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from device.dashboard.access import COOKIE, Access
from device.dashboard.history import History
from device.dashboard.http_server import MAX_CONNECTIONS, MAX_STREAMS, DashboardServer
from device.dashboard.request_reader import MAX_REQUEST_BYTES
from device.dashboard.routes import Routes
from device.errors import ListenError
from tests.device.dashboard.helpers import (
    NAMES,
    Board,
    Browser,
    alert,
    port_of,
    read_all,
    read_until,
    serving,
    summary,
    track,
)
from tests.support.broker import wait_for
from tests.support.processes import descriptors

TOKEN = "0123456789abcdef"
OK = b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Site:
    """A server with one board, without a broker."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.board = Board()
        self.history = History(folder / "hall.db", 24)
        stack.callback(self.history.close)
        self.server = stack.enter_context(serving(self.board.state, self.history))
        self.browser = Browser(port_of(self.server))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), stack)


def threads() -> int:
    """Connections that are being served."""
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("path", ["/room", "/driver", "/device", "/fleet"])
def test_the_page(site: Site, path: str) -> None:
    code, headers, body = site.browser.get(path)
    assert code == 200 and headers["content-type"] == "text/html; charset=utf-8" and body.startswith(b"<!doctype html>")
    assert site.browser.get("/page/index.html")[2] == body
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert headers["server"] == "emotion-edge" and "access-control-allow-origin" not in headers
    assert site.browser.get(path, If_None_Match=headers["etag"])[0] == 304
    assert site.browser.get(path, method="HEAD")[2] == b""


def test_the_root_leads_to_the_first_view(site: Site) -> None:
    code, headers, _ = site.browser.get("/")
    assert code == 302 and headers["location"] == "/room"


def test_a_file_can_be_zipped(site: Site) -> None:
    _, _, plain = site.browser.get("/room")
    code, headers, body = site.browser.get("/room", Accept_Encoding="gzip, br")
    assert code == 200 and headers["vary"] == "Accept-Encoding"
    assert (gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body) == plain


@pytest.mark.parametrize(
    "path",
    [
        "/page/../__init__.py", "/page/%2e%2e/access.py", "/page//etc/passwd", "/page/", "/page", "/etc/passwd", "/api",
        "/api/x", "/page/index.html%00", "/..%2f..%2fetc/passwd", "/page/..%5caccess.py", "/ROOM",
    ],
)  # fmt: skip
def test_nothing_else_is_served(site: Site, path: str) -> None:
    code, headers, body = site.browser.get(path)
    assert code == 404 and headers["content-type"] == "text/plain; charset=utf-8" and body.count(b"\n") == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
def test_nothing_can_be_changed(site: Site, method: str) -> None:
    answer = site.browser.raw(f"{method} /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ") and b"Allow: GET, HEAD\r\n" in answer


def test_state_and_its_etag(site: Site) -> None:
    site.board.send("summary", summary(4))
    code, headers, body = site.browser.get("/api/state")
    assert code == 200 and json.loads(body)["summary"]["faces"] == 4 and json.loads(body)["now"] > 1e9
    assert site.browser.get("/api/state", If_None_Match=headers["etag"])[0] == 304
    site.board.send("tracks/1/state", track())
    assert site.browser.get("/api/state", If_None_Match=headers["etag"])[0] == 200


def test_html_in_a_message_stays_text_of_json(site: Site) -> None:
    site.board.send("tracks/9/state", track(9, "<img src=x onerror=alert(1)>"))
    _, headers, body = site.browser.get("/api/state")
    assert headers["content-type"] == "application/json" and headers["x-content-type-options"] == "nosniff"
    assert "<img" in json.loads(body)["tracks"][-1]["emotion"]
    site.board.send("tracks/9/state", "")


def test_history_as_json_and_as_csv(site: Site) -> None:
    now_s = time.time()
    for faces in (1, 2, 3):
        site.history.add_summary(json.loads(summary(faces).to_json()))
    wait_for(lambda: site.browser.json(f"/api/history?from={now_s - 9}&to={now_s + 9}")["rows"], "the row")
    answer = site.browser.json(f"/api/history?from={now_s - 9}&to={now_s + 9}&step=1")
    code, headers, body = site.browser.get(f"/api/history.csv?from={now_s - 9}&to={now_s + 9}")
    assert code == 200 and headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"].startswith('attachment; filename="emotion-hall-20')
    lines = list(csv.DictReader(io.StringIO(body.decode())))
    assert [float(line["faces"]) for line in lines] == [row["faces"] for row in answer["rows"]]
    assert answer["step_s"] == 1 and site.browser.get("/api/history.csv", method="HEAD")[2] == b""


def test_csv_for_a_client_of_http_1_0(site: Site) -> None:
    answer = site.browser.raw(b"GET /api/history.csv HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert b"chunked" not in answer and b"\r\n\r\ntime,faces," in answer


def test_alerts(site: Site) -> None:
    kind, values = site.board.send("events", alert("drowsy"))
    assert kind == "alert"
    site.history.add_alert(values)
    (only,) = site.browser.json("/api/alerts")["alerts"]
    assert only == values == site.browser.json("/api/state")["alerts"][0]


@pytest.mark.parametrize(
    "query",
    ["from=x", "to=nan", "from=inf", "step=0", "step=-1", "step=1e9", "step=x", "&".join("a=1" for _ in range(20))],
)
def test_wrong_parameters(site: Site, query: str) -> None:
    code, _, body = site.browser.get(f"/api/history?{query}")
    assert code == 400 and body.endswith(b".\n")


def test_without_history_and_without_a_fleet(tmp_path: Path) -> None:
    with serving(Board().state) as server:
        for path in ("/api/history", "/api/history.csv", "/api/alerts", "/api/fleet"):
            assert Browser(port_of(server)).get(path)[0] == 404


def test_names_of_other_sites_are_refused(site: Site) -> None:
    assert site.browser.get("/api/state", Host="evil.example")[0] == 421
    assert b" 421 " in site.browser.raw(b"GET /room HTTP/1.0\r\n\r\n")
    assert site.browser.get("/api/state", Host=f"192.168.1.4:{site.browser.port}")[0] == 200


def test_the_token_is_asked_for(tmp_path: Path) -> None:
    with serving(Board().state, token=TOKEN) as server:
        browser = Browser(port_of(server))
        for path in ("/", "/room", "/api/state", "/api/stream", "/page/index.html", "/api/nothing"):
            code, headers, body = browser.get(path)
            assert code == 401 and headers["www-authenticate"] == "Bearer" and TOKEN.encode() not in body
        assert browser.get("/api/state", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert browser.get(f"/api/state?token={TOKEN}x")[0] == 401
        code, headers, body = browser.get(f"/room?token={TOKEN}")
        assert code == 200 and b'http-equiv="refresh"' in body and headers["cache-control"] == "no-store"
        cookie = headers["set-cookie"].split(";")[0]
        assert cookie.startswith(f"{COOKIE}=") and browser.get("/room", Cookie=cookie)[0] == 200
        assert browser.get("/room", Cookie=cookie, Host="evil.example")[0] == 421


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET /api/state\r\n\r\n", b"another name"),  # HTTP/0.9
        (b"\r\n", b""),
        (b"rubbish\r\n\r\n", b" 400 "),
        (b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", b" 505 "),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", b" 431 "),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 4000 + b"\r\n", b" 431 "),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b" 431 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),  # TLS
        (b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 400 "),
        (b"GET /%ff%fe?%ff=%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b" 404 "),
        (OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nGET /"), b" 200 "),
        (OK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), b" 200 "),
    ],
)
def test_strange_requests_end_the_connection_and_nothing_else(site: Site, data: bytes, code: bytes) -> None:
    with socket.create_connection(("127.0.0.1", site.browser.port), timeout=60) as line:
        line.sendall(data)
        with contextlib.suppress(OSError):  # the server has closed it
            line.shutdown(socket.SHUT_WR)
        answer = read_all(line)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert code in answer[:40] or (not answer and len(data) > MAX_REQUEST_BYTES)  # too much unread: it was reset
    assert site.browser.get("/api/state")[0] == 200


def test_a_slow_request_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.dashboard.request_reader.REQUEST_S", 0.5)
    with socket.create_connection(("127.0.0.1", site.browser.port), timeout=60) as line:
        line.sendall(b"GET /api/state HT")
        assert read_all(line) == b""
    with socket.create_connection(("127.0.0.1", site.browser.port), timeout=60) as line:  # says nothing at all
        assert read_all(line) == b""


def test_a_connection_is_used_again(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.browser.port), timeout=60) as line:
        for _ in range(20):
            line.sendall(OK.replace(b"/api/state", b"/page/index.html"))
            assert b" 200 OK" in read_until(line, b"</html>\n")


def test_a_stream_follows_the_board(site: Site) -> None:
    with site.browser.stream() as line:
        head = read_until(line, b"event: state\ndata: ")
        assert b"Content-Type: text/event-stream\r\n" in head and b"Content-Security-Policy" in head
        site.board.send("summary", summary(17))
        assert b'"faces":17' in read_until(line, b'"faces":17')
        site.board.send("tracks/1/state", track(1, "neutral"))
        read_until(line, b"neutral")


def test_a_stream_says_that_it_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.dashboard.streams.HEARTBEAT_S", 0.1)
    monkeypatch.setattr("device.dashboard.streams.LOOK_S", 0.1)
    with site.browser.stream() as line:
        read_until(line, b": still here\n\n")


@pytest.mark.timeout(300)
def test_200_browsers_come_and_go(site: Site) -> None:
    """As many as there is room for follow the board, the others are told; nothing is left."""
    wait_for(lambda: threads() == 0, "earlier connections")
    before = descriptors()
    lines = [site.browser.stream() for _ in range(2 * MAX_STREAMS)]
    codes = [read_until(line, b"\r\n").split()[1] for line in lines]
    assert codes.count(b"200") == MAX_STREAMS and codes.count(b"503") == MAX_STREAMS
    site.board.send("summary", summary(23))
    for line, code in zip(lines, codes, strict=True):
        if code == b"200":
            read_until(line, b'"faces":23')
    for line in lines:
        line.close()
    wait_for(lambda: threads() == 0, "the threads of closed streams")
    assert descriptors() == before
    with site.browser.stream() as line:
        assert b" 200 " in read_until(line, b"\r\n")


@pytest.mark.timeout(300)
def test_more_connections_than_there_is_room_for(site: Site) -> None:
    wait_for(lambda: threads() == 0, "earlier connections")
    idle = [socket.create_connection(("127.0.0.1", site.browser.port), timeout=60) for _ in range(MAX_CONNECTIONS)]
    wait_for(lambda: threads() == MAX_CONNECTIONS, "the connections")
    assert site.browser.raw(OK).startswith(b"HTTP/1.1 503 ")
    for line in idle:
        line.close()
    wait_for(lambda: threads() == 0, "the threads of closed connections")
    assert site.browser.get("/api/state")[0] == 200


def test_a_browser_that_takes_nothing_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.dashboard.http_handler.WRITE_S", 0.3)
    monkeypatch.setattr("device.dashboard.streams.MIN_INTERVAL_S", 0)
    wait_for(lambda: threads() == 0, "earlier connections")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        line.connect(("127.0.0.1", site.browser.port))
        line.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: threads() == 1, "the stream")
        stop = threading.Event()

        def change() -> None:
            for number in range(1, 10_000):
                site.board.send(f"tracks/{number % 90 + 1}/state", track(number % 90 + 1, f"mood {number}"))
                if stop.wait(0.002):
                    return

        changing = threading.Thread(target=change)
        changing.start()
        wait_for(lambda: threads() == 0, "the server to give up")
        stop.set()
        changing.join()


def test_a_port_in_use_and_an_address_of_others(site: Site) -> None:
    for host, port in (("127.0.0.1", site.browser.port), ("192.0.2.1", 0), ("no.such.host.invalid", 0), ("x" * 300, 0)):
        with pytest.raises(ListenError, match=r"cannot be listened on: .*; choose another with --listen HOST:PORT\.$"):
            DashboardServer(host, port, site.server.routes, site.server.access)


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    board = Board()
    try:
        server = DashboardServer("::1", 0, Routes(board.state, None), Access(None, NAMES))
    except ListenError:
        pytest.skip("no IPv6 address on this machine")
    with server, socket.create_connection(("::1", port_of(server)), timeout=60) as line:
        assert server.url.startswith("http://[::1]:")
        line.sendall(OK.replace(b"localhost", b"[::1]"))
        assert b" 200 OK" in read_until(line, b"\r\n")
