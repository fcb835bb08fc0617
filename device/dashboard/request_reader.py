"""Reads requests within bounds: so many bytes, so many seconds, however slowly they come."""

from __future__ import annotations

import io
import socket
import time
from typing import Any

MAX_REQUEST_BYTES = 16_384  # request line and headers
REQUEST_S = 15.0  # for a whole request; also how long an idle connection stays open


class RequestTooLargeError(Exception):
    """More bytes than a request may have."""


class RequestReader(io.RawIOBase):
    """A connection as a stream of bytes, bounded for each request.

    Raises, when it is read:
        TimeoutError: the request did not come in time.
        RequestTooLargeError: it is too large.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        """A new request may come."""
        self._until_s = time.monotonic() + REQUEST_S
        self._left = MAX_REQUEST_BYTES

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is; 0 at the end."""
        if self._left <= 0:
            raise RequestTooLargeError
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the request did not come in time")
        self._connection.settimeout(left_s)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count
