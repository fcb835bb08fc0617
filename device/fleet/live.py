"""The live table, drawn by rich; without that extra, one sentence says what else there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device.errors import UsageError
from device.fleet.report import HEAD, RIGHT, Report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from device.fleet.listener import Listener

REDRAW_S = 1.0
AROUND = 6  # lines of the screen that hold no board: frame, head, sentence


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
                live.update(picture(listener.report(), console.height - AROUND), refresh=True)
                listener.listen(REDRAW_S)
        except KeyboardInterrupt:
            found = listener.report()
    print(found.sentence())
    return 0 if found.ok else 1


def picture(found: Report, room: int) -> RenderableType:
    """As many boards as there is room for, the unhealthy first, and the sentence below."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True)
    for head in HEAD:
        table.add_column(head, justify="right" if head in RIGHT else "left", no_wrap=True)
    rows = found.rows(max(1, room))
    for good, cells in rows:
        table.add_row(*map(Text, cells), style="" if good else "red")  # Text: what boards say is no markup
    left = len(found.boards) - len(rows)
    more = f"{left} more below; --seconds S prints all\n" if left else ""
    return Group(table, Text(more + found.sentence(), style="green" if found.ok else "red"))
