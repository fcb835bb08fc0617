"""`device demo --web`: a face on the page, without a broker or a camera of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.device.dashboard.test_dashboard_command import Dashboard
from tests.support.broker import needs_mosquitto, wait_for
from tests.support.command import DEVICE


@pytest.mark.slow
@needs_mosquitto
def test_the_demo_on_a_page(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [str(DEVICE), "demo", "--web"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        page = Dashboard(process)
        state = wait_for(lambda: (found := page.state())["tracks"] and found, "a face", patience_s=120)
        assert state["availability"] == "online" and state["status"]["device"] == "demo"
        rows = "/api/history?step=1"
        wait_for(lambda: any(row["faces"] for row in page.browser.json(rows)["rows"]), "the chart", patience_s=120)
        wait_for(lambda: any(row["attention"] for row in page.browser.json(rows)["rows"]), "attention", patience_s=120)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.iterdir()) == [], "nothing is left"
