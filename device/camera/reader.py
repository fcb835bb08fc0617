"""Readers of a source: every frame in turn, or the newest one from a worker process."""

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
from contextlib import suppress
from typing import Protocol

from device.camera import worker
from device.camera.frame import RawFrame
from device.camera.shared_memory import SharedFrame
from device.config.schema import CameraConfig
from device.errors import SourceError, StalledError, StuckError

SLOTS = 3  # one is read, one is written, one holds the newest frame
START_S = 120.0  # Python and OpenCV load within this time, even on a slow and busy board
EXIT_S = 2.0  # a worker that has not ended after this time is killed
KILL_S = 5.0  # a process that still runs so long after SIGKILL hangs in the kernel
MAX_MESSAGE = 4096  # bytes
BOOT = (  # the worker finds modules where the agent does
    "import json, sys; spec = json.load(sys.stdin); sys.path[:] = spec.pop('path'); "
    "from device.camera.worker import main; main(**spec)"
)


class FrameReader(Protocol):
    """Takes frames from a source."""

    over: bool  # no more frames will come

    def take(self, wait_s: float) -> tuple[RawFrame, int] | None:
        """The next frame, and how many were dropped before it.

        Returns:
            None if no frame came within `wait_s`, or the source is over.

        Raises:
            SourceError: the source fails.
        """

    def close(self) -> None:
        """Free the source; harmless when repeated."""


class SequentialReader:
    """Takes every frame of a generator; `take` blocks as long as the generator does."""

    def __init__(self, frames: Generator[RawFrame, None, None]) -> None:
        self.over = False
        self._frames = frames

    def take(self, wait_s: float) -> tuple[RawFrame, int] | None:
        """See `FrameReader`; drops no frame, and ignores `wait_s`."""
        frame = next(self._frames, None)
        self.over = frame is None
        return None if frame is None else (frame, 0)

    def close(self) -> None:
        """See `FrameReader`."""
        self._frames.close()


class LatestFrameReader:
    """Runs the source in a worker process and takes the newest frame: a slow caller skips frames.

    Linux ends the worker when the thread that made this object ends, so make it in the main thread.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.over = False
        self._config = config
        self._newest: int | None = None  # index of the slot that holds it
        self._taken = 0  # number of the frame that was taken last
        self._failure: SourceError | None = None
        self._ended = False
        self._slots = [SharedFrame.create() for _ in range(SLOTS)]
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = _start(config, theirs.fileno(), [slot.descriptor for slot in self._slots])
        self._limit_s = time.monotonic() + START_S  # when the next message is overdue

    def take(self, wait_s: float) -> tuple[RawFrame, int] | None:
        """See `FrameReader`.

        Raises:
            SourceError: the source failed, or the worker process ended.
            StalledError: no frame came for `timeout_s`, counted from the opening of the source.
        """
        until_s = time.monotonic() + wait_s
        self._receive(0.0)
        while (taken := self._newest_frame()) is None and not self._finished():
            now_s = time.monotonic()
            if now_s >= self._limit_s:
                raise StalledError(_stall_message(self._config))
            if now_s >= until_s:
                break
            self._receive(min(until_s, self._limit_s) - now_s)
        return taken

    def close(self) -> None:
        """See `FrameReader`; the worker can free its camera, and is killed if it hangs.

        Raises:
            StuckError: the worker cannot be killed.
        """
        hangs = time.monotonic() >= self._limit_s
        self._socket.close()
        try:
            end_process(self._process, 0.0 if hangs else EXIT_S, self._config.source)
        finally:
            for slot in self._slots:
                slot.close()

    def _receive(self, wait_s: float) -> None:
        """Wait for a message, then handle all that have arrived."""
        while not self._last_received() and select.select([self._socket], [], [], wait_s)[0]:
            self._handle_message(self._socket.recv(MAX_MESSAGE))
            wait_s = 0.0

    def _handle_message(self, message: bytes) -> None:
        self._limit_s = time.monotonic() + self._config.timeout_s
        match message[:1]:
            case worker.FRAME:
                self._newest = message[1]
            case worker.END:
                self._ended = True
            case worker.FAILURE:
                self._failure = SourceError(message[1:].decode(errors="surrogateescape"))
            case b"":
                self._failure = SourceError(f"{self._config.source}: {_exit_message(self._process)}")

    def _last_received(self) -> bool:
        return self._ended or self._failure is not None

    def _newest_frame(self) -> tuple[RawFrame, int] | None:
        """The newest frame; None if it was taken before, or is being overwritten by a newer one."""
        found = self._slots[self._newest].read() if self._newest is not None else None
        self._newest = None
        if found is None or found[0] <= self._taken:
            return None
        dropped, self._taken = found[0] - self._taken - 1, found[0]
        return found[1], dropped

    def _finished(self) -> bool:
        if self._failure is not None:
            raise self._failure
        self.over = self._ended
        return self.over


def _start(config: CameraConfig, link: int, slots: list[int]) -> subprocess.Popen[bytes]:
    """Start the worker: a fresh interpreter in a session of its own, with these descriptors only.

    The session keeps the terminal's signals from it.
    """
    spec = {
        "path": [str(folder) for folder in sys.path],
        "config": dataclasses.asdict(config),
        "agent": os.getpid(),
        "link": link,
        "slots": slots,
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT],
        stdin=subprocess.PIPE,  # anybody may read a command line
        stdout=subprocess.DEVNULL,  # the agent's stdout carries events
        pass_fds=(link, *slots),
        start_new_session=True,
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stdin:  # it has ended: reported by its socket
        stdin.write(json.dumps(spec).encode())
    return process


def end_process(process: subprocess.Popen[bytes], wait_s: float, source: str) -> None:
    """Wait for the process to end, kill it if it does not, and leave no zombie.

    Raises:
        StuckError: the process cannot be killed.
    """
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        try:
            process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            raise StuckError(
                f"{source}: the camera's process {process.pid} hangs inside the kernel and cannot be killed; starting "
                "again may help, else unplug the camera or restart the machine."
            ) from None


def _exit_message(process: subprocess.Popen[bytes]) -> str:
    """Why a worker that closed its end of the socket ended."""
    try:
        code = process.wait(EXIT_S)
    except subprocess.TimeoutExpired:
        return "the camera's process closed its connection but did not end."
    if code < 0:
        return f"the camera's process was killed by {signal.Signals(-code).name}."
    return f"the camera's process ended by itself (exit code {code})."


def _stall_message(config: CameraConfig) -> str:
    return (
        f"{config.source}: no frame for {config.timeout_s:g} s; check the camera's cable, and whether another program "
        "uses it."
    )
