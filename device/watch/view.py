"""Draws the boards on a terminal, with rich, which is an extra.

Text of boards is drawn as `Text`, never as `str`: boards must not be able to send markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device.watch.boards import Entry, WatchedBoard, WatchedBoards

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

BAR = 10  # characters of a confidence bar
BLOCKS, ASCII = ("\u2588", "\u2591"), ("#", "-")  # full and empty parts of a bar
OTHER_LINES = 10  # beside the three lists
MIN_LIST = 3  # lines that each list gets at least, however small the screen
MIN_WIDTHS = {"face": 4, "emotion": 8, "confidence": BAR + 5, "board": 12, "state": 22}
STATE_STYLES = {True: "green", False: "red", None: "yellow"}


@dataclass(frozen=True)
class Screen:
    """What the terminal can show.

    Args:
        width, height: in characters.
        ascii_only: it shows no other characters.
    """

    width: int
    height: int
    ascii_only: bool = False


def render(boards: WatchedBoards, screen: Screen, now_s: float, trouble: str | None) -> RenderableType:
    """Draw one board with its faces, or a table of several; below it alerts and events.

    Args:
        boards: what to show.
        screen: what fits.
        now_s: monotonic seconds.
        trouble: why no messages arrive at this moment.
    """
    from rich.console import Group

    everything = boards.all()
    third = max(MIN_LIST, (screen.height - OTHER_LINES) // 3)  # lines for each of: faces or boards, alerts, events
    parts: list[RenderableType] = []
    if trouble is not None:
        parts.append(_text(f"{trouble}; trying again", "bold red"))
    if not everything:
        parts.append(_text(f"no message on {boards.topic} yet", "yellow"))
    elif len(everything) == 1:
        parts += _one_board(everything[0], screen, third, now_s)
    else:
        parts.append(_many_boards(everything, third, now_s))
    parts += [_text(), *_list("alerts", boards.alerts, third, "red"), _text(), *_list("events", boards.log, third)]
    return Group(*parts)


def _one_board(watched: WatchedBoard, screen: Screen, rows: int, now_s: float) -> list[RenderableType]:
    head = _text(f"{watched.name}  ", "bold")
    head.append(watched.describe(), style=STATE_STYLES[watched.board.online])
    health = watched.board.health
    if watched.board.online and health is not None and health.fps is not None:
        head.append(f"  {health.fps:.1f} frames/s", style="dim")
    return [head, _text(_summary_line(watched, now_s)), _text(), _faces(watched, screen, rows)]


def _summary_line(watched: WatchedBoard, now_s: float) -> str:
    summary = watched.fresh_summary(now_s)
    return str(summary) if summary is not None else "no summary now: nobody is in view, or too few"


def _faces(watched: WatchedBoard, screen: Screen, rows: int) -> RenderableType:
    if not watched.faces:
        return _text("no single faces", "dim")
    table = _table(("face", "emotion", "confidence", "attention"))
    tracks = sorted(watched.faces)
    for track in tracks[:rows]:
        face = watched.faces[track]
        attention = face.attention
        told = str(attention) if attention is not None else "-"
        style = "red" if attention is not None and attention.signs else ""
        table.add_row(str(track), _text(face.emotion), _bar(face.confidence, screen), _text(told, style))
    if len(tracks) > rows:
        table.add_row("", f"{len(tracks) - rows} more")
    return table


def _bar(share: float | None, screen: Screen) -> str:
    if share is None:
        return "-"
    full, empty = ASCII if screen.ascii_only else BLOCKS
    filled = round(BAR * share)
    return f"{full * filled}{empty * (BAR - filled)} {share:.2f}"


def _many_boards(everything: Sequence[WatchedBoard], rows: int, now_s: float) -> RenderableType:
    table = _table(("board", "state", "faces"))
    for watched in everything[:rows]:
        state = _text(watched.describe(), STATE_STYLES[watched.board.online])
        table.add_row(watched.name, state, _text(_summary_line(watched, now_s)))
    if len(everything) > rows:
        table.add_row(f"{len(everything) - rows} more")
    return table


def _table(headers: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for header in headers[:-1]:
        table.add_column(header, no_wrap=True, overflow="crop", min_width=MIN_WIDTHS[header])
    table.add_column(headers[-1], overflow="crop")  # shrinks first; its texts do not wrap
    return table


def _list(title: str, entries: Sequence[Entry], rows: int, style: str = "") -> list[RenderableType]:
    """The latest entries, newest first."""
    latest = list(entries)[-rows:][::-1]
    lines = [_text(f"{entry.time} {entry.board}  {entry.text}", style) for entry in latest]
    return [_text(title, "bold"), *(lines or [_text("none yet", "dim")])]


def _text(text: str = "", style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="crop")
