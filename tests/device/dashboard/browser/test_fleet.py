"""The page of all boards, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.device.dashboard.browser.hand import HOSTILE, Hand
from tests.support.broker import Listener, Mosquitto, needs_mosquitto
from tests.support.browser import expect, needs_axe, needs_browser, open_page, violations
from tests.support.dashboard import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [needs_browser, needs_mosquitto, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Without the boards of other tests."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.kill()


def test_the_fleet_lists_its_boards(browser: Browser, broker: Mosquitto, tmp_path: Path) -> None:
    with (
        Listener(broker.port, "nothing") as listener,
        dashboard(tmp_path / "dashboard", broker.port, "--web", command="fleet") as url,
        open_page(browser, f"{url}/room") as page,
    ):
        Hand(listener, "attic").start()
        hall = Hand(listener, "barn")
        hall.start(camera="failed", camera_error=HOSTILE)
        page.wait_for_url("**/fleet")
        row = "#boards tr:has(th:text-is('barn'))"
        expect(page, row).to_contain_text("unhealthy")
        expect(page, row).to_contain_text("<img")
        expect(page, "#boards tr:has(th:text-is('attic'))").to_contain_text("good")
        expect(page, "#link-word").to_have_text("Live")
        expect(page, "nav a[data-view=room]").to_be_hidden()
        assert page.evaluate("window.hit") is None
        listener.publish("emotion/attic/availability", "offline", retain=True)
        expect(page, "#boards tr:has(th:text-is('attic'))").to_contain_text("offline")


@needs_axe
def test_axe_finds_nothing_in_a_fleet(browser: Browser, broker: Mosquitto, tmp_path: Path) -> None:
    with (
        Listener(broker.port, "nothing") as listener,
        dashboard(tmp_path / "dashboard", broker.port, "--web", "--expect", "3", command="fleet") as url,
        open_page(browser, f"{url}/fleet", color_scheme="light") as light,
        open_page(browser, f"{url}/fleet", 390, 844, color_scheme="dark") as dark,
    ):
        for page in (light, dark):
            expect(page, "#fleet-title").to_have_text("0 boards, 3 missing")
            assert violations(page) == []
        Hand(listener, "attic").start()
        Hand(listener, "barn").start(camera="failed", camera_error="it was unplugged")
        for page in (light, dark):
            expect(page, "#boards tr[data-healthy=false]").to_contain_text("it was unplugged")
            expect(page, "#boards tr[data-healthy=true]").to_contain_text("attic")
            expect(page, "#fleet-title").to_have_text("2 boards, 1 missing, 1 unhealthy")
            assert violations(page) == []
        broker.kill()
        for page in (light, dark):
            expect(page, "#link-word").to_have_text("No broker")
            assert violations(page) == []
