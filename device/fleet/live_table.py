"""The live table of all boards, drawn with rich, which is an extra."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from device.errors import UsageError
from device.fleet.report import HEADERS, RIGHT_ALIGNED, Report
from device.service.signals import Signals, StoppedError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from device.fleet.monitor import FleetMonitor

REDRAW_S = 1.0
OTHER_LINES = 4  # lines of the screen without a board: header, summary
WIDE = 140  # a terminal of so many columns shows all columns of the table
WIDE_ONLY = ("model", "p95 ms", "oldest", "message")
MIN_HEALTH_WIDTH = 20  # characters of the last column that even a narrow terminal shows


def watch(monitor: FleetMonitor) -> int:
    """Show the fleet until Ctrl-C, or another signal to stop.

    Returns:
        The exit code for the state at the end: 0 if all boards are there and healthy, else 1.

    Raises:
        UsageError: rich is not installed.
        BrokerError: the broker cannot be reached, or it refuses the connection.
    """
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError as error:
        raise UsageError(
            "the live table needs rich: pip install 'emotion-edge[fleet]'; or use --seconds S for a plain table."
        ) from error
    console = Console()
    with monitor, Signals() as signals, Live(console=console, screen=True, auto_refresh=False) as live:
        with suppress(StoppedError), signals.interruptible():
            while True:
                live.update(render(monitor.report(), console.width, console.height - OTHER_LINES), refresh=True)
                monitor.receive(REDRAW_S)
        report = monitor.report()
    print(report.summary())
    return 0 if report.ok else 1


def render(report: Report, width: int, max_rows: int) -> RenderableType:
    """Draw at most `max_rows` boards, unhealthy ones first, and the summary below.

    Args:
        report: what to show.
        width: columns of the terminal.
        max_rows: boards that fit on the screen; at least one is drawn.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, expand=True, pad_edge=False)
    headers = [header for header in HEADERS if width >= WIDE or header not in WIDE_ONLY]
    for header in headers:
        min_width = MIN_HEALTH_WIDTH if header == HEADERS[-1] else None
        side: Literal["left", "right"] = "right" if header in RIGHT_ALIGNED else "left"
        table.add_column(header, justify=side, no_wrap=True, min_width=min_width)
    rows = report.rows(max(1, max_rows))
    for healthy, cells in rows:
        # Text, not str: boards must not be able to send markup.
        shown = [Text(cell) for header, cell in zip(HEADERS, cells, strict=True) if header in headers]
        table.add_row(*shown, style="" if healthy else "red")
    left = len(report.boards) - len(rows)
    more = f"{left} more boards; --seconds S prints all\n" if left else ""
    return Group(table, Text(more + report.summary(), style="green" if report.ok else "red"))
