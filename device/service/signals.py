"""Signals: SIGTERM and SIGINT stop the device in order, SIGHUP reloads the config."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


class StoppedError(Exception):
    """A signal to stop arrived during a wait."""


class Signals:
    """Records signals. A second signal to stop kills at once.

    Outside the main thread there are none.

    A terminal that is closed also sends SIGHUP. Started from a terminal it therefore means stop, or
    the camera would go on unnoticed.

    Args:
        can_reread: `reread` is acted on; else SIGHUP means stop.
    """

    def __init__(self, can_reread: bool = False) -> None:
        self.stop = False
        self.reread = False  # reset by the code that acts on it
        self._waiting = False
        self._rereads = can_reread and not _at_terminal()
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                asks = self._ask_reread if number == signal.SIGHUP and self._rereads else self._ask_stop
                self._before[number] = signal.signal(number, asks)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Interrupt the code inside on a signal to stop.

        Raises:
            StoppedError: where the signal arrives, or at once if it came before.
        """
        self._waiting = True
        try:
            if self.stop:
                raise StoppedError
            yield
        finally:
            self._waiting = False

    def _ask_reread(self, number: int, frame: FrameType | None) -> None:
        self.reread = True

    def _ask_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop = True
        for known in (signal.SIGTERM, signal.SIGINT):
            signal.signal(known, signal.SIG_DFL)
        if self._waiting:
            raise StoppedError


def _at_terminal() -> bool:
    try:
        return os.isatty(sys.__stdin__.fileno()) if sys.__stdin__ is not None else False
    except (OSError, ValueError):
        return False
