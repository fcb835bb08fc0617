"""A board played by hand, for the tests in a browser."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from device.messages import JsonMessage
from device.messages.attention import AttentionState
from tests.device.dashboard import helpers
from tests.support.broker import Listener

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'


class Hand:
    """A board played by hand: publishes messages as the agent would, with the time of now."""

    def __init__(self, listener: Listener, device: str) -> None:
        self.listener, self.root = listener, f"emotion/{device}"

    def start(self, **values: Any) -> None:
        """Come online."""
        self.listener.publish(f"{self.root}/availability", "online", retain=True)
        self.send("status", helpers.status(device=self.root.partition("/")[2], **values), retain=True)

    def send(self, channel: str, message: JsonMessage | str, retain: bool = False) -> None:
        """Publish a message, with the time of now if it has one."""
        if isinstance(message, JsonMessage):
            message = dataclasses.replace(message, ts=time.time()).to_json()  # type: ignore[type-var]
        self.listener.publish(f"{self.root}/{channel}", message, retain=retain)

    @contextmanager
    def repeating(self, summary: JsonMessage) -> Iterator[None]:
        """Publish a summary each second, as the agent does while faces are seen."""
        stop = threading.Event()

        def repeat() -> None:
            while not stop.is_set():
                self.send("summary", summary)
                stop.wait(1.0)

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def face(self, attention: AttentionState | None) -> None:
        """Show a face."""
        self.send("tracks/1/state", dataclasses.replace(helpers.track(), attention=attention), retain=True)
