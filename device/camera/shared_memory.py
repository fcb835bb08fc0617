"""Shared memory for one frame between the worker process and the agent."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from device.camera.frame import RawFrame

# number, time_s, timestamp, still_s, pixel format, height, width, channels (0: grey)
HEADER = struct.Struct("=Q3d4s3I")
NUMBER = struct.Struct("=Q")  # the first of them
PIXELS_AT = 64  # where the pixels begin


class SharedFrame:
    """Anonymous shared memory (memfd) that holds one frame; it is freed when both processes end.

    A file lock keeps the reader from a frame that is half written; the kernel releases it when its
    holder is killed.

    Args:
        descriptor: of the memory; this object closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory: mmap.mmap | None = None
        self._size = 0

    @classmethod
    def create(cls) -> SharedFrame:
        """New and empty; it grows with the frames that are written."""
        return cls(os.memfd_create("frame"))

    def write(self, number: int, frame: RawFrame) -> bool:
        """Store a frame, counted from 1; False if the stored one is being read."""
        shape, size = frame.image.shape, PIXELS_AT + frame.image.size
        if self._stored() < size:
            os.ftruncate(self.descriptor, size)
        memory = self._mapped()
        with self._lock(fcntl.LOCK_EX) as locked:
            if locked:
                # Number 0 makes it unreadable, even if this process is killed now.
                HEADER.pack_into(memory, 0, 0, *frame[1:4], frame.pixel_format.encode(), *_three(shape))
                np.ndarray(shape, np.uint8, memory, PIXELS_AT)[...] = frame.image
                NUMBER.pack_into(memory, 0, number)
            return locked

    def read(self) -> tuple[int, RawFrame] | None:
        """Number and copy of the stored frame; None if there is none or it is being written."""
        if self._stored() < PIXELS_AT:
            return None
        memory = self._mapped()
        with self._lock(fcntl.LOCK_SH) as locked:
            return _unpack(memory) if locked else None

    def close(self) -> None:
        """Free the memory; harmless when repeated."""
        if self._memory is not None:
            self._memory.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self._memory, self.descriptor = None, -1

    def _stored(self) -> int:
        return os.fstat(self.descriptor).st_size

    def _mapped(self) -> mmap.mmap:
        """All of the memory. Call it without the lock: closing an old mapping releases it."""
        size = self._stored()
        if self._memory is None or len(self._memory) < size:
            if self._memory is not None:
                self._memory.close()
            self._memory = mmap.mmap(self.descriptor, size)
        return self._memory

    @contextmanager
    def _lock(self, kind: int) -> Iterator[bool]:
        try:
            fcntl.lockf(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[0], shape[1], shape[2] if len(shape) == 3 else 0


def _unpack(memory: mmap.mmap) -> tuple[int, RawFrame] | None:
    number, time_s, timestamp, still_s, pixel_format, height, width, channels = HEADER.unpack_from(memory)
    shape = (height, width, channels) if channels else (height, width)
    size = height * width * max(1, channels)
    if number == 0 or size == 0 or len(memory) < PIXELS_AT + size:
        return None
    image = np.frombuffer(memory, np.uint8, size, PIXELS_AT).reshape(shape).copy()
    return number, RawFrame(image, time_s, timestamp, still_s, pixel_format.rstrip(b"\0").decode())
