"""How frames are taken from a source: the newest only, from a thread of its own, or every one in turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
S = TypeVar("S", covariant=True)

JOIN_S = 2.0  # a driver that hangs longer than this is left behind; only the end of the process frees it


class Taker(Protocol[S]):
    """Takes items from a generator; closing it closes the generator, which frees what that holds."""

    def ready(self, timeout_s: float) -> bool:
        """Wait until an item is there; False at the end. Raises TimeoutError, and what the generator raised."""

    def take(self, timeout_s: float) -> tuple[S, int] | None:
        """The next item, and how many were dropped before it; None at the end. Raises as `ready` does."""

    def close(self) -> None:
        """Take no more."""


class Newest(Generic[T]):
    """Drains a generator in a thread and keeps its newest item: who is slow misses some, but never sees an old one."""

    def __init__(self, items: Generator[T, None, None]) -> None:
        self._items = items
        self._changed = threading.Condition()
        self._newest: deque[T] = deque(maxlen=1)
        self._dropped = 0
        self._over = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._drain, name="capture", daemon=True)
        self._thread.start()

    def ready(self, timeout_s: float) -> bool:
        """See `Taker`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._newest or self._over, timeout_s):
                raise TimeoutError
            if self._failure is not None and not self._newest:
                raise self._failure
            return bool(self._newest)

    def take(self, timeout_s: float) -> tuple[T, int] | None:
        """See `Taker`."""
        with self._changed:
            if not self.ready(timeout_s):
                return None
            dropped, self._dropped = self._dropped, 0
            return self._newest.pop(), dropped

    def close(self) -> None:
        """See `Taker`; waits a little for the source to be freed."""
        with self._changed:
            self._over = True
        self._thread.join(JOIN_S)

    def _drain(self) -> None:
        try:
            for item in self._items:
                if not self._keep(item):
                    break
            self._items.close()
        except Exception as error:  # whatever it is, who takes shall see it
            self._failure = error
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _keep(self, item: T) -> bool:
        """Put an item in place of the last; False when nobody wants more."""
        with self._changed:
            if not self._over:
                self._dropped += len(self._newest)
                self._newest.append(item)
                self._changed.notify_all()
            return not self._over


class Every(Generic[T]):
    """Takes every item of a generator, when asked; a generator that blocks blocks who takes."""

    def __init__(self, items: Generator[T, None, None]) -> None:
        self._items = items
        self._peeked: deque[T] = deque()

    def ready(self, timeout_s: float) -> bool:
        """See `Taker`; the time limit has no effect."""
        if not self._peeked:
            self._peeked.extend(item for item in [next(self._items, None)] if item is not None)
        return bool(self._peeked)

    def take(self, timeout_s: float) -> tuple[T, int] | None:
        """See `Taker`; drops nothing."""
        return (self._peeked.popleft(), 0) if self.ready(timeout_s) else None

    def close(self) -> None:
        """See `Taker`."""
        self._items.close()
