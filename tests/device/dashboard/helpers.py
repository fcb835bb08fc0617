"""Messages of a board, a server without a broker, and a browser that sends raw bytes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from device.config.schema import DeviceConfig
from device.dashboard.access import Access
from device.dashboard.history import History
from device.dashboard.http_server import DashboardServer
from device.dashboard.live_state import LiveState
from device.dashboard.routes import Routes
from device.messages import EmotionEvent, ModelInfo, Status, Summary, TrackState
from device.messages.attention import AttentionAlert, GroupAttention
from device.mqtt.topics import Topics
from device.valence import Valence

LABELS = ("angry", "happy", "neutral")
ROOT = "emotion/hall"
NAMES = frozenset({"localhost"})


def summary(faces: int = 2, happy: float = 0.75, attention: GroupAttention | None = None) -> Summary:
    """A summary of faces that are all happy."""
    scores = {"angry": round(1 - happy, 4), "happy": happy, "neutral": 0.0}
    return Summary(
        ts=12.5,
        faces=faces,
        counts={"angry": 0, "happy": faces, "neutral": 0, "unknown": 0},
        mean_scores=scores,
        valence=Valence.of(scores),
        attention=attention,
    )


def track(number: int = 1, emotion: str = "happy") -> TrackState:
    """The state of a face."""
    scores = dict.fromkeys(LABELS, 0.0) | {"happy": 1.0}
    return TrackState(track=number, ts=12.5, emotion=emotion, confidence=0.9, scores=scores, box=(1, 2, 30, 40))


def event(kind: Any = "start", alert: AttentionAlert | None = None, number: int = 1) -> EmotionEvent:
    """An event of a face, with a new id."""
    return EmotionEvent(
        type=kind, track=number, ts=time.time(), emotion="happy", confidence=0.9, scores={"happy": 1.0}, seq=1,
        alert=alert,
    )  # fmt: skip


def alert(kind: Any = "yawn", phase: Any = "start", duration_s: float = 2.5) -> EmotionEvent:
    """An alert."""
    return event("attention", AttentionAlert(kind=kind, phase=phase, duration_s=duration_s))


def status(aggregate: bool = False, **values: Any) -> Status:
    """The status of a board."""
    known: dict[str, Any] = {
        "ts": 12.5, "device": "hall", "version": "1", "python": "3", "platform": "Linux", "board": None,
        "model": ModelInfo(name="student", version="7", digest="ab" * 32, labels=LABELS), "config_digest": "cd",
        "camera": "running", "camera_error": None, "purpose": "test", "purpose_note": None, "jurisdiction": "eu",
        "aggregate": aggregate, "config_error": None,
    }  # fmt: skip
    return Status(**(known | values))


class Board:
    """A board `emotion/hall` whose messages go straight into a `LiveState`; time is `now_s`."""

    def __init__(self, groups_only: bool = False) -> None:
        self.state = LiveState(Topics(DeviceConfig(id="hall")), 5.0, 60.0, groups_only)
        self.now_s = 1000.0

    def send(self, channel: str, message: Any) -> Any:
        """Send a message, or text as it is; returns what belongs into the history."""
        payload = message if isinstance(message, str) else message.to_json()
        return self.state.handle_message(f"{ROOT}/{channel}", payload.encode("utf-8", "replace"), self.now_s)

    def shown(self) -> dict[str, Any]:
        """The document that the page gets."""
        document: dict[str, Any] = json.loads(self.state.document()[1])
        return document


@contextmanager
def serving(
    state: LiveState, history: History | None = None, token: str | None = None, page: Path | None = None
) -> Iterator[DashboardServer]:
    """A server on a free port of this machine."""
    with DashboardServer("127.0.0.1", 0, Routes(state, history), Access(token, NAMES)) as server:
        yield server


def port_of(server: DashboardServer) -> int:
    """The port that the server listens on."""
    return int(server.server_address[1])


class Browser:
    """Asks a server; each request has a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request; returns status, headers (lower case) and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """The parsed body of a good answer."""
        code, _, body = self.get(path)
        assert code == 200, body
        return json.loads(body)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return what comes until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as line:
            line.sendall(data)
            return read_all(line)

    def stream(self) -> socket.socket:
        """A connection that follows the board."""
        line = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        line.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return line


def read_all(line: socket.socket) -> bytes:
    """What comes until the other end closes the connection."""
    data = b""
    try:
        while more := line.recv(65536):
            data += more
    except ConnectionResetError:  # it closed without reading all that we sent
        pass
    return data


def read_until(line: socket.socket, mark: bytes) -> bytes:
    """What comes up to a mark, included."""
    data = b""
    while mark not in data:
        more = line.recv(65536)
        assert more, f"closed before {mark!r}: {data!r}"
        data += more
    return data
