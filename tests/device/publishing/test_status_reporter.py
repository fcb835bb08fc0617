"""The response to the command `status`: computed at most once a second, and never out of date."""

from __future__ import annotations

import pytest

from device.config.schema import load_config
from device.messages import ModelInfo
from device.outbox.outbox import Outbox
from device.publishing.reports import CameraReport, Progress
from device.publishing.status_reporter import SNAPSHOT_S, StatusReporter
from tests.support.clock import Clock

CONFIG = load_config(overrides=["device.id=porch"])
MODEL = ModelInfo(name="compact", version="1", digest="0" * 64, labels=("happy", "sad"))


def test_a_snapshot_lasts_a_second_unless_the_status_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("device.publishing.status_reporter.time.monotonic", clock)
    reporter = StatusReporter(CONFIG, MODEL, Outbox(None, CONFIG.outbox))
    first = reporter.snapshot(0)
    assert first["status"]["camera"] == "starting" and first["health"] is None
    reporter.take(Progress(fps=15.0))
    assert reporter.snapshot(0) is first, "progress waits"
    clock.now_s += SNAPSHOT_S
    second = reporter.snapshot(3)
    assert (second["health"]["fps"], second["health"]["reconnects"], second["health"]["device"]) == (15.0, 3, "porch")
    reporter.take(CameraReport("paused"))
    assert reporter.snapshot(3)["status"]["camera"] == "paused", "a change shows at once"
