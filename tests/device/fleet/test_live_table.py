"""The live table of a fleet."""

from __future__ import annotations

import io
import sys

import pytest

from device.config.schema import DeviceConfig, MqttConfig
from device.errors import UsageError
from device.fleet.boards import Boards
from device.fleet.live_table import render, watch
from device.fleet.monitor import FleetMonitor
from device.fleet.report import HEADERS, Report, make_report
from tests.device.fleet.helpers import LIMITS, boards_with


def drawn(report: Report, width: int, max_rows: int) -> str:
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=width, record=True, file=io.StringIO())
    console.print(render(report, width, max_rows))
    return str(console.export_text())


def test_the_live_table_shows_the_boards_that_fit_and_ignores_markup_from_boards() -> None:
    boards = boards_with(*((f"b{number:03d}", "online") for number in range(50)), ("bad", "offline"))
    boards.handle_message("emotion/bad/status", b'{"camera": "[red]x", "model": {"name": "[/]"}}', True, 0.0)
    text = drawn(make_report(boards, LIMITS, 1.0, 0.0, None, None), 160, 10)
    assert "offline" in text and "[red]x" in text and "[/]" in text and "b008" in text and "b009" not in text
    assert "41 more boards; --seconds S prints all" in text and "51 boards, 1 unhealthy" in text
    assert all(header in text for header in HEADERS)


def test_a_narrow_terminal_shows_fewer_columns() -> None:
    boards = boards_with(("board-0001", "offline"))
    payload = b'{"camera": "running", "model": {"digest": "abcdef0123"}}'
    boards.handle_message("emotion/board-0001/status", payload, True, 0.0)
    text = drawn(make_report(boards, LIMITS, 1.0, 0.0, None, None), 80, 10)
    assert all(word in text for word in ("board-0001", "abcdef01", "running", "offline")) and "oldest" not in text


def test_the_live_table_without_rich_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(UsageError, match=r"needs rich: pip install 'emotion-edge\[fleet\]'; or use --seconds S"):
        watch(FleetMonitor(DeviceConfig(mqtt=MqttConfig(host="127.0.0.1")), Boards("emotion"), None))
