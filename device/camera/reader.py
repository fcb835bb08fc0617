"""How frames are taken from a source: every one in turn, or the newest from a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from typing import Protocol

from device.camera import worker
from device.camera.frame import RawFrame
from device.camera.shared_memory import SharedFrame
from device.config.schema import CameraConfig
from device.errors import SourceError, StalledError, StuckError

SLOTS = 3  # one that is read, one that is written, one that is the newest
START_S = 120.0  # Python and OpenCV are loaded within this time, whatever the board, whatever else it does
LEAVE_S = 2.0  # a camera that is not freed within this time is killed
KILL_S = 5.0  # a process that is not gone so long after SIGKILL hangs in the kernel
MESSAGE = 4096  # bytes of one, at most
BOOT = (  # it finds modules where we do
    "import json, sys; told = json.loads(sys.argv[1]); sys.path[:] = told.pop('path'); "
    "from device.camera.worker import main; main(**told)"
)


class FrameReader(Protocol):
    """Takes shots from a source."""

    over: bool  # no more will come

    def take(self, patience_s: float) -> tuple[RawFrame, int] | None:
        """The next shot, and how many were dropped before it; None if none came within `patience_s`, or it is over.

        Raises:
            SourceError: the source fails.
        """

    def close(self) -> None:
        """Free the source; harmless when repeated."""


class SequentialReader:
    """Takes every shot of a generator when asked; one that blocks blocks who takes."""

    def __init__(self, shots: Generator[RawFrame, None, None]) -> None:
        self.over = False
        self._frames = shots

    def take(self, patience_s: float) -> tuple[RawFrame, int] | None:
        """See `FrameReader`; drops nothing, and waits as long as the generator does."""
        shot = next(self._frames, None)
        self.over = shot is None
        return None if shot is None else (shot, 0)

    def close(self) -> None:
        """See `FrameReader`."""
        self._frames.close()


class LatestFrameReader:
    """Runs the source in a process of its own, and takes the newest shot: who is slow misses some, but sees none late.

    Linux ends that process with the thread that made this object, so let it be one that lasts.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.over = False
        self._config = config
        self._newest: int | None = None  # in which slot it lies
        self._taken = 0  # number of the shot that was taken last
        self._last_words: SourceError | None = None
        self._ended = False
        self._slots = [SharedFrame.create() for _ in range(SLOTS)]
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = _start(config, theirs.fileno(), [slot.descriptor for slot in self._slots])
        self._limit_s = time.monotonic() + START_S  # for the next message

    def take(self, patience_s: float) -> tuple[RawFrame, int] | None:
        """See `FrameReader`.

        Raises:
            SourceError: the source failed, or its process ended.
            StalledError: no frame came for `timeout_s`, counted from the opening of the source.
        """
        until_s = time.monotonic() + patience_s
        self._listen(0.0)
        while (taken := self._shot()) is None and not self._finished():
            now_s = time.monotonic()
            if now_s >= self._limit_s:
                raise StalledError(_silence(self._config))
            if now_s >= until_s:
                break
            self._listen(min(until_s, self._limit_s) - now_s)
        return taken

    def close(self) -> None:
        """See `FrameReader`; the process may free its camera, and is killed if it does not, or hangs already.

        Raises:
            StuckError: it cannot be killed.
        """
        hangs = time.monotonic() >= self._limit_s
        self._link.close()
        try:
            end_process(self._process, 0.0 if hangs else LEAVE_S, self._config.source)
        finally:
            for slot in self._slots:
                slot.close()

    def _listen(self, patience_s: float) -> None:
        """Wait for a message, then hear all that are there."""
        while not self._said_all() and select.select([self._link], [], [], patience_s)[0]:
            self._hear(self._link.recv(MESSAGE))
            patience_s = 0.0

    def _hear(self, message: bytes) -> None:
        self._limit_s = time.monotonic() + self._config.timeout_s
        match message[:1]:
            case worker.FRAME:
                self._newest = message[1]
            case worker.END:
                self._ended = True
            case worker.FAILURE:
                self._last_words = SourceError(message[1:].decode())
            case b"":
                self._last_words = SourceError(f"{self._config.source}: {_obituary(self._process)}")

    def _said_all(self) -> bool:
        return self._ended or self._last_words is not None

    def _shot(self) -> tuple[RawFrame, int] | None:
        """The newest one, unless it was taken before, or is just being overwritten: then a message comes soon."""
        found = self._slots[self._newest].read() if self._newest is not None else None
        self._newest = None
        if found is None or found[0] <= self._taken:
            return None
        dropped, self._taken = found[0] - self._taken - 1, found[0]
        return found[1], dropped

    def _finished(self) -> bool:
        if self._last_words is not None:
            raise self._last_words
        self.over = self._ended
        return self.over


def _start(config: CameraConfig, link: int, slots: list[int]) -> subprocess.Popen[bytes]:
    """A fresh interpreter, out of reach of the terminal's signals, that inherits these descriptors and no other."""
    told = {
        "path": [str(folder) for folder in sys.path],
        "config": dataclasses.asdict(config),
        "agent": os.getpid(),
        "link": link,
        "slots": slots,
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT, json.dumps(told)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # ours carries events
        pass_fds=(link, *slots),
        start_new_session=True,
    )


def end_process(process: subprocess.Popen[bytes], patience_s: float, source: str) -> None:
    """Wait for the process to end, kill it if it does not, and leave no zombie.

    Raises:
        StuckError: it cannot be killed.
    """
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        try:
            process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            raise StuckError(
                f"{source}: the camera's process {process.pid} hangs inside the kernel and cannot be killed; starting "
                "again may help, else unplug the camera or restart the machine."
            ) from None


def _obituary(process: subprocess.Popen[bytes]) -> str:
    """How a process ended that has closed its end of the socket."""
    try:
        code = process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        return "the camera's process fell silent."
    if code < 0:
        return f"the camera's process was killed by {signal.Signals(-code).name}."
    return f"the camera's process ended by itself (exit code {code})."


def _silence(config: CameraConfig) -> str:
    return (
        f"{config.source}: no frame for {config.timeout_s:g} s; check the camera's cable, and whether another program "
        "uses it."
    )
