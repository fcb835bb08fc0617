"""The camera's own process: takes pictures, and leaves the newest where the agent finds it. It can be killed.

The agent starts it afresh (no fork of a process with threads) and hands it one end of a socket and a few slots. On the
socket it says one message a frame, and why there are no more; that the other end is closed means the agent has enough.
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

from device.camera.fault_injection import with_fault
from device.camera.frame import RawFrame
from device.camera.freeze import with_still_time
from device.camera.shared_memory import SharedFrame
from device.camera.sources.registry import is_live, load, open_source
from device.config.schema import CameraConfig
from device.errors import SourceError

HELLO, FRAME, END, FAILURE = b"h", b"f", b"e", b"x"  # the first byte of each message
PR_SET_PDEATHSIG = 1


class ClosedError(Exception):
    """The agent wants no more, or is gone."""


def main(config: dict[str, Any], agent: int, link: int, slots: list[int]) -> None:
    """Serve until the source ends, fails, or nobody wants more.

    Args:
        config: the values of a CameraConfig.
        agent: process id of who started us.
        link: descriptor of a SOCK_SEQPACKET socket.
        slots: descriptors of empty slots, at least two.
    """
    _live_and_die_with(agent)
    with socket.socket(fileno=link) as end:
        Server(CameraConfig(**config), end, [SharedFrame(descriptor) for descriptor in slots]).serve()


class Server:
    """Passes on what a source gives."""

    def __init__(self, config: CameraConfig, link: socket.socket, slots: list[SharedFrame]) -> None:
        self._config = config
        self._link = link
        self._slots = slots

    def serve(self) -> None:
        """See `main`."""
        with suppress(ClosedError, BrokenPipeError, ConnectionResetError):
            load(self._config)
            self._link.send(HELLO)
            self._link.send(self._outcome())

    def _outcome(self) -> bytes:
        """Pass on every frame; why there are no more."""
        try:
            with closing(self._frames()) as shots:
                for number, shot in enumerate(shots, start=1):
                    self._pass_on(number, shot)
            return END
        except (ClosedError, BrokenPipeError, ConnectionResetError):
            raise
        except SourceError as error:
            return FAILURE + str(error).encode()
        except Exception as error:  # drivers' bindings raise what they like
            return FAILURE + f"{self._config.source}: the camera failed: {type(error).__name__}: {error}.".encode()

    def _frames(self) -> Generator[RawFrame, None, None]:
        shots = with_fault(open_source(self._config, self._pause), self._config)
        return with_still_time(shots) if is_live(self._config) else shots

    def _pass_on(self, number: int, shot: RawFrame) -> None:
        _check(shot.image, self._config.source)
        for place in range(len(self._slots)):
            slot = (number + place) % len(self._slots)
            if self._slots[slot].write(number, shot):
                break
        with suppress(BlockingIOError):  # the agent is busy, and has more messages than it can use
            self._link.send(FRAME + bytes([slot]), socket.MSG_DONTWAIT)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the agent closes its end."""
        if select.select([self._link], [], [], seconds)[0]:
            raise ClosedError


def _check(image: Any, source: str) -> None:
    """Pass on nothing that the chain cannot work on."""
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size > 0
    if not good or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SourceError(f"{source}: the camera gave something that is no picture ({what}).")


def _live_and_die_with(agent: int) -> None:
    """The agent alone decides when we end: no signal meant for it reaches us, and when it is gone, so are we."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != agent:  # it was gone before we asked
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would show faces
