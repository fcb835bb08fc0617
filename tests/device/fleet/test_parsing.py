"""Invalid and hostile messages: none may stop the report or reach the terminal unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.fleet.parsing import to_health, to_status
from device.fleet.report import make_report
from tests.device.fleet.helpers import JSON, LIMITS, Hall


@given(
    st.sampled_from(["availability", "status", "health"]),
    st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()),
)
def test_no_payload_stops_the_report(channel: str, payload: bytes) -> None:
    hall = Hall("hall").good()
    hall.boards.handle_message(f"emotion/hall/{channel}", payload, False, 1.0)
    report = make_report(hall.boards, LIMITS, 2.0, 0.0, None, None)
    json.loads(report.to_json())
    assert all(line.isprintable() for line in report.table().split("\n"))


@given(JSON, JSON, JSON)
def test_no_value_of_a_field_stops_the_report(model: Any, outbox: Any, value: Any) -> None:
    status = {"model": model, "camera": value, "camera_error": value, "model_update": model, "config_error": value}
    health = {"outbox": outbox, "stages": model, "throttling": outbox} | dict.fromkeys(("fps", "uptime_s"), value)
    hall = Hall().send("availability", "online")
    hall.send("status", status).send("health", health).send("health", health)
    report = make_report(hall.boards, LIMITS, 2.0, 0.0, None, None)
    assert all(line.isprintable() for line in report.table().split("\n"))


@pytest.mark.parametrize(
    "payload", ["[" * 50_000, '{"fps": 1e999}', '{"fps": ' + "9" * 5000 + "}", '"' + "x" * 200_000]
)
def test_hostile_payloads(payload: str) -> None:
    hall = Hall().send("availability", "online").send("health", payload)
    (board,) = hall.boards.all()
    assert board.health is None or board.health.fps is None


def test_fields_of_the_wrong_type_count_as_absent() -> None:
    health = to_health(b'{"fps": "15", "uptime_s": true, "stages": [], "throttling": {"now": "hot"}, "outbox": null}')
    assert (health.fps, health.uptime_s, health.p95_ms, health.throttled, health.depth) == (None, None, None, (), None)
    status = to_status(b'{"model": "student", "camera": 3, "model_update": 5}')
    assert (status.model, status.camera, status.update) == (None, None, None)


def test_a_board_of_another_version() -> None:
    """It has fields that we do not know, lacks some, and uses new words."""
    status = to_status(
        b'{"camera": "dreaming", "lens": 3, "model": {"name": "student"}, '
        b'"model_update": {"state": "paused", "new": {"name": "student", "version": "8"}, "reason": "it is night."}}'
    )
    assert (status.camera, status.model, status.update) == ("dreaming", "student", "paused student 8: it is night.")
    health = to_health(b'{"fps": 15, "outbox": {"depth": 2}, "stages": {"total": {"p95_ms": 25}}}')
    assert (health.fps, health.depth, health.dropped, health.p95_ms, health.uptime_s) == (15, 2, None, 25, None)
