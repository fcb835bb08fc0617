"""The live table, drawn by rich; without that extra, one sentence says what else there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device.errors import UsageError
from device.fleet.report import HEAD, RIGHT, Report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from device.fleet.monitor import Listener

REDRAW_S = 1.0
AROUND = 4  # lines of the screen that hold no board: head, sentences
WIDE = 140  # columns of a terminal that has room for everything
SPARED = ("model", "p95 ms", "oldest", "heard")  # what a narrower one does without
VERDICT = 20  # letters of a verdict that a narrow terminal shows, too


def watch(listener: Listener) -> int:
    """Show the fleet until Ctrl-C; returns the exit code that its last state earns.

    Raises:
        UsageError: rich is not installed.
        BrokerError: there is no broker, or it refuses us.
    """
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError as error:
        raise UsageError(
            "the live table needs rich: pip install 'emotion-edge[fleet]'; or say --seconds S for a plain one."
        ) from error
    console = Console()
    with listener, Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(picture(listener.report(), console.width, console.height - AROUND), refresh=True)
                listener.listen(REDRAW_S)
        except KeyboardInterrupt:
            found = listener.report()
    print(found.sentence())
    return 0 if found.ok else 1


def picture(found: Report, width: int, room: int) -> RenderableType:
    """As many boards as there is room for, the unhealthy first, and the sentence below."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, expand=True, pad_edge=False)
    heads = [head for head in HEAD if width >= WIDE or head not in SPARED]
    for head in heads:
        least = VERDICT if head == HEAD[-1] else None
        table.add_column(head, justify="right" if head in RIGHT else "left", no_wrap=True, min_width=least)
    rows = found.rows(max(1, room))
    for good, cells in rows:
        shown = [Text(cell) for head, cell in zip(HEAD, cells, strict=True) if head in heads]  # no markup from boards
        table.add_row(*shown, style="" if good else "red")
    left = len(found.boards) - len(rows)
    more = f"{left} more below; --seconds S prints all\n" if left else ""
    return Group(table, Text(more + found.sentence(), style="green" if found.ok else "red"))
