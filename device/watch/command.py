"""`device watch`: the live view on a terminal, or a line for each change elsewhere."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from device.config.schema import DeviceConfig
from device.mqtt.subscriber import Subscriber
from device.service.signals import Signals, StoppedError
from device.watch.boards import WatchedBoards

if TYPE_CHECKING:
    from rich.console import Console

REDRAW_S = 0.5


def watch(config: DeviceConfig, topic: str | None) -> int:
    """Show the boards of a topic until Ctrl-C, or another signal to stop.

    Args:
        config: the broker, and the base topic.
        topic: `<base>/<device>` or `<base>/+`; None for all boards under the base topic.

    Returns:
        The exit code, 0.

    Raises:
        BrokerError: the broker cannot be reached, or it refuses the connection.
        UsageError: device.mqtt.host is not set, or the topic is neither of the two.
    """
    boards = WatchedBoards(topic if topic is not None else f"{config.mqtt.base_topic}/+")
    console = _console()
    with suppress(StoppedError), Signals() as signals, signals.interruptible():
        if console is None:
            _print_lines(config, boards)
        else:
            _draw(config, boards, console)
    return 0


def _console() -> Console | None:
    """rich's console; None where lines are printed instead."""
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return None
    try:
        from rich.console import Console
    except ImportError:
        print("device: only lines, because rich is missing: pip install 'emotion-edge[fleet]'.", file=sys.stderr)
        return None
    return Console()


def _draw(config: DeviceConfig, boards: WatchedBoards, console: Console) -> None:
    from rich.live import Live

    from device.watch.view import Screen, render

    subscriber = Subscriber(config.mqtt, "watch", boards.filters(), boards.handle_message, boards.forget_faces)
    with subscriber, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            screen = Screen(console.width, console.height, console.options.ascii_only)
            live.update(render(boards, screen, time.monotonic(), subscriber.trouble), refresh=True)
            subscriber.receive(REDRAW_S)


def _print_lines(config: DeviceConfig, boards: WatchedBoards) -> None:
    def handle(topic: str, payload: bytes, retained: bool, now_s: float) -> None:
        for entry in boards.handle_message(topic, payload, retained, now_s):
            print(entry, flush=True)

    trouble = None
    with Subscriber(config.mqtt, "watch", boards.filters(), handle, boards.forget_faces) as subscriber:
        while True:
            subscriber.receive(REDRAW_S)
            if subscriber.trouble != trouble:
                trouble = subscriber.trouble
                print(f"{time.strftime('%H:%M:%S')} {trouble or 'connected to the broker again'}", flush=True)
