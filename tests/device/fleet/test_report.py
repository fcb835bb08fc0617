"""The report on a fleet: order, summary, JSON and table."""

from __future__ import annotations

import json

from device.fleet.boards import Boards
from device.fleet.report import make_report
from tests.device.fleet.helpers import LIMITS, Hall, boards_with


def test_unhealthy_boards_come_first_and_the_summary_counts() -> None:
    boards = boards_with(("attic", "online"), ("porch", "offline"), ("barn", "offline"))
    report = make_report(boards, LIMITS, 30.0, 0.0, 5, None)
    assert [cells[0] for _, cells in report.rows()] == ["barn", "porch", "attic"]
    assert not report.ok and report.summary() == (
        "3 boards, 2 unhealthy, 1 online; 2 of 5 sent no message; 3 without health yet; listened for 30 s"
    )
    lines = report.table().splitlines()
    assert lines[0].split()[:2] == ["board", "online"] and lines[1].startswith("barn   no")
    assert json.loads(report.to_json())["boards"][0]["reasons"] == ["offline"]


def test_the_keys_of_the_json_document() -> None:
    """Other programs rely on them."""
    document = json.loads(make_report(Hall().good().boards, LIMITS, 1001.0, 990.0, None, None).to_json())
    assert list(document) == [
        "ok", "listened_s", "trouble", "expected", "known", "online", "unhealthy", "absent", "strange_messages",
        "boards",
    ]  # fmt: skip
    (board,) = document["boards"]
    assert list(board) == [
        "board", "healthy", "reasons", "notes", "online", "heard_s_ago", "losses", "restarts", "status", "health",
    ]  # fmt: skip
    assert list(board["status"]) == [
        "version", "model", "digest", "camera", "camera_error", "config_error", "update",
    ]  # fmt: skip
    assert list(board["health"]) == [
        "uptime_s", "fps", "p95_ms", "last_frame_age_s", "temperature_c", "throttled", "throttled_before", "depth",
        "oldest_age_s", "dropped", "trouble",
    ]  # fmt: skip


def test_a_fleet_without_boards_is_not_ok() -> None:
    assert not make_report(Boards("emotion"), LIMITS, 1.0, 0.0, None, None).ok


def test_a_lost_connection_to_the_broker_is_not_ok() -> None:
    boards = boards_with(("attic", "online"))
    assert make_report(boards, LIMITS, 1.0, 0.0, None, None).ok
    report = make_report(boards, LIMITS, 1.0, 0.0, None, "the connection to the broker is lost")
    assert not report.ok and "the connection to the broker is lost" in report.summary()
