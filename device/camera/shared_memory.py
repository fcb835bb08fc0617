"""Room for one frame in memory that two processes share."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from device.camera.frame import RawFrame

HEADER = struct.Struct("=Q3d3I")  # number, time_s, timestamp, still_s, height, width, channels (0: grey)
NUMBER = struct.Struct("=Q")  # the first of them
PIXELS_AT = 64  # where the pixels begin


class SharedFrame:
    """A piece of memory without a name, which goes when both processes have gone.

    A lock of the kernel's keeps anybody from reading what is half written; it falls when its holder is killed.

    Args:
        descriptor: of the memory; the slot closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory: mmap.mmap | None = None
        self._size = 0

    @classmethod
    def create(cls) -> SharedFrame:
        """New and empty; it grows with what is written."""
        return cls(os.memfd_create("frame"))

    def write(self, number: int, shot: RawFrame) -> bool:
        """Put a frame here, counted from 1; False if somebody is just reading the one that is here."""
        shape, size = shot.image.shape, PIXELS_AT + shot.image.size
        if self._stored() < size:
            os.ftruncate(self.descriptor, size)
        memory = self._mapped()
        with self._lock(fcntl.LOCK_EX) as locked:
            if locked:
                HEADER.pack_into(memory, 0, 0, *shot[1:], *_three(shape))  # not to be read yet, even if we are killed
                np.ndarray(shape, np.uint8, memory, PIXELS_AT)[...] = shot.image
                NUMBER.pack_into(memory, 0, number)
            return locked

    def read(self) -> tuple[int, RawFrame] | None:
        """A copy of the frame that is here, and its number; None while there is none, or it is being written."""
        if self._stored() < PIXELS_AT:
            return None
        memory = self._mapped()
        with self._lock(fcntl.LOCK_SH) as locked:
            return _unpack(memory) if locked else None

    def close(self) -> None:
        """Give the memory back; harmless when repeated."""
        if self._memory is not None:
            self._memory.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self._memory, self.descriptor = None, -1

    def _stored(self) -> int:
        return os.fstat(self.descriptor).st_size

    def _mapped(self) -> mmap.mmap:
        """All of the memory. Not to be called under the lock, which falls when an old mapping is closed."""
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
    number, time_s, timestamp, still_s, height, width, channels = HEADER.unpack_from(memory)
    shape = (height, width, channels) if channels else (height, width)
    size = height * width * max(1, channels)
    if number == 0 or size == 0 or len(memory) < PIXELS_AT + size:
        return None
    image = np.frombuffer(memory, np.uint8, size, PIXELS_AT).reshape(shape).copy()
    return number, RawFrame(image, time_s, timestamp, still_s)
