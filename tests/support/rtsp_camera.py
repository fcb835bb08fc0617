"""A network camera that speaks RTSP (RFC 2326) over TCP on loopback and sends H.264 (RFC 6184)."""

from __future__ import annotations

import base64
import itertools
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.raw_h264 import parameters, picture

FPS = 20
CLOCK = 90_000  # ticks of RTP's time in a second
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/{clock}
a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}
a=control:track1
"""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    user: str | None
    grey: int


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            while (request := self._request()) is not None:
                verb, headers = request
                wanted = self.server.user
                if wanted is not None and headers.get("authorization") != _basic(wanted):
                    self._answer("401 Unauthorized", headers, 'WWW-Authenticate: Basic realm="camera"')
                elif verb == "DESCRIBE":
                    sets = ",".join(base64.b64encode(unit).decode() for unit in parameters())
                    self._answer("200 OK", headers, body=SDP.format(clock=CLOCK, sets=sets).replace("\n", "\r\n"))
                elif verb == "SETUP":
                    self._answer("200 OK", headers, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1")
                else:
                    self._answer("200 OK", headers, "Public: OPTIONS, DESCRIBE, SETUP, PLAY", "Session: 1")
                if verb == "PLAY":
                    self._play()

    def _request(self) -> tuple[str, dict[str, str]] | None:
        lines: list[str] = []
        while (line := self.rfile.readline().decode().strip()) or not lines:
            if not line:
                return None
            lines.append(line)
        pairs = (line.partition(":") for line in lines[1:])
        return lines[0].split()[0], {key.lower(): value.strip() for key, _, value in pairs}

    def _answer(self, status: str, request: dict[str, str], *headers: str, body: str = "") -> None:
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [f"RTSP/1.0 {status}", f"CSeq: {request['cseq']}", *headers, *kind, f"Content-Length: {len(body)}"]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _play(self) -> None:
        """Send a frame in each packet, for ever."""
        for number in itertools.count():
            rtp = struct.pack(">BBHII", 0x80, 0x80 | 96, number & 0xFFFF, number * CLOCK // FPS & 0xFFFFFFFF, 1)
            packet = rtp + picture(number, self.server.grey)
            self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            time.sleep(1 / FPS)


@contextmanager
def rtsp_camera(grey: int = 120, user: str | None = None) -> Iterator[str]:
    """Serve pictures of one grey level inside the `with`; yields the address.

    Args:
        user: `name:password` that it demands; None: nothing.
    """
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.grey, server.user = grey, user
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"rtsp://127.0.0.1:{server.server_address[1]}/stream"
        finally:
            server.shutdown()


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()
