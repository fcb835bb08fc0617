"""The worker process of a camera: it writes the newest frame to shared memory for the agent.

A process can be killed when a driver hangs; a thread cannot. The agent starts a fresh interpreter
(no fork of a process with threads) and passes one end of a socket and a few shared frames. The
worker sends one message a frame, and one at the end with the reason. It stops when the agent closes
its end.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
from collections.abc import Generator
from contextlib import closing, suppress
from typing import Any

import numpy as np

from device.camera.frame import RawFrame
from device.camera.freeze import with_still_time
from device.camera.shared_memory import SharedFrame
from device.camera.sources.registry import find_source, import_library, open_source
from device.config.schema import CameraConfig
from device.errors import SourceError, without_secrets

HELLO, FRAME, END, FAILURE = b"h", b"f", b"e", b"x"  # the first byte of each message
PR_SET_PDEATHSIG = 1


class ClosedError(Exception):
    """The agent closed its end of the socket."""


def main(config: dict[str, Any], agent: int, link: int, slots: list[int]) -> None:
    """Serve until the source ends or fails, or the agent closes its end.

    Args:
        config: the values of a CameraConfig.
        agent: process id of the parent.
        link: descriptor of a SOCK_SEQPACKET socket.
        slots: descriptors of empty shared frames, at least two.
    """
    _bind_to(agent)
    with socket.socket(fileno=link) as end:
        Server(CameraConfig(**config), end, [SharedFrame(descriptor) for descriptor in slots]).serve()


class Server:
    """Passes the frames of a source to the agent."""

    def __init__(self, config: CameraConfig, link: socket.socket, slots: list[SharedFrame]) -> None:
        self._config = config
        self._link = link
        self._slots = slots

    def serve(self) -> None:
        """See `main`."""
        with suppress(ClosedError, BrokenPipeError, ConnectionResetError):
            import_library(self._config)
            self._link.send(HELLO)
            self._link.send(self._pass_on_all())

    def _pass_on_all(self) -> bytes:
        """Pass on every frame; the last message, with the reason for the end."""
        try:
            with closing(self._frames()) as frames:
                for number, frame in enumerate(frames, start=1):
                    self._pass_on(number, frame)
            return END
        except (ClosedError, BrokenPipeError, ConnectionResetError):
            raise
        except SourceError as error:
            return FAILURE + str(error).encode(errors="surrogateescape")
        except Exception as error:  # bindings of drivers raise any type
            text = without_secrets(f"{self._config.source}: the camera failed: {type(error).__name__}: {error}.")
            return FAILURE + text.encode(errors="surrogateescape")

    def _frames(self) -> Generator[RawFrame, None, None]:
        frames = open_source(self._config, self._pause)
        source = find_source(self._config)
        return with_still_time(frames) if source.live and source.noisy else frames

    def _pass_on(self, number: int, frame: RawFrame) -> None:
        _check(frame.image, self._config.source)
        for place in range(len(self._slots)):
            slot = (number + place) % len(self._slots)
            if self._slots[slot].write(number, frame):
                break
        with suppress(BlockingIOError):  # the agent is busy, with messages still unread
            self._link.send(FRAME + bytes([slot]), socket.MSG_DONTWAIT)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the agent closes its end."""
        if select.select([self._link], [], [], seconds)[0]:
            raise ClosedError


def _check(image: Any, source: str) -> None:
    """Reject an image that the pipeline cannot use."""
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size > 0
    if not good or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SourceError(f"{source}: the camera gave something that is not a picture ({what}).")


def _bind_to(agent: int) -> None:
    """Ignore the signals that stop the agent, and end when the agent ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != agent:  # it ended before prctl
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would show faces
