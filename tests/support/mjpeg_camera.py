"""A network camera: MJPEG over HTTP on loopback, with or without a password."""

from __future__ import annotations

import base64
import itertools
import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from numpy.typing import NDArray

FPS = 20.0


class MjpegCamera:
    """The server, in a process of its own: `kill` ends it as a power cut would.

    Args:
        images: shown in turn, with noise as of a sensor.
        user: `name:password` that it demands; None: nothing.
    """

    def __init__(self, images: Sequence[NDArray[np.uint8]], user: str | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._jpegs = _with_noise(images)
        self._user = user
        self._process: multiprocessing.process.BaseProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def start(self) -> None:
        """Serve, and return when it can be reached."""
        target = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(self.port, self._jpegs, self._user), daemon=True
        )
        target.start()
        self._process = target
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


@contextmanager
def mjpeg_camera(images: Sequence[NDArray[np.uint8]], user: str | None = None) -> Iterator[MjpegCamera]:
    """A camera that serves inside the `with`."""
    camera = MjpegCamera(images, user)
    camera.start()
    try:
        yield camera
    finally:
        camera.kill()


def _with_noise(images: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    """The pictures as JPEG, each twice and different."""
    import cv2  # not in the server's process, which then starts sooner

    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.integers(-3, 4, image.shape), 0, 255).astype(np.uint8) for image in [*images] * 2]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in noisy]


def _serve(port: int, jpegs: list[bytes], user: str | None) -> None:
    wanted = None if user is None else "Basic " + base64.b64encode(user.encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if wanted is not None and self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with suppress(OSError):
                for jpeg in itertools.cycle(jpegs):
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    time.sleep(1 / FPS)

    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
