"""The demo's film through the real agent, Mosquitto and dashboard, seen in a real browser."""

from __future__ import annotations

import csv
import io
import itertools
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.device.dashboard.browser.conftest import Film
from tests.support.broker import needs_mosquitto, wait_for
from tests.support.browser import PATIENCE_MS, expect, needs_axe, needs_browser, open_page, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [needs_browser, needs_mosquitto, pytest.mark.long, pytest.mark.timeout(600)]

VIEWS = ("room", "driver", "device")
WINDOWS = {"laptop": (1280, 720), "phone": (390, 844), "wall": (1920, 1080)}


def test_the_room_follows_the_film(browser: Browser, playing: Film) -> None:
    with open_page(browser, f"{playing.url}/room") as page:
        expect(page, "#link-word").to_have_text(re.compile("^Live"))
        expect(page, "#faces").to_have_text("1")
        expect(page, "#mood-word").to_have_text("Mostly positive")
        expect(page, "#expressions li:has-text('happy') .figure").to_have_text("1")
        expect(page, "#faces").to_have_text("0")
        expect(page, "#faces").to_have_text("1")
        expect(page, "#chart path.area.positive").not_to_have_count(0)
        expect(page, "#chart-note").to_contain_text("On average")
        page.get_by_role("button", name="Table").click()
        expect(page, "#chart-table tbody tr").not_to_have_count(0)
        expect(page, "#chart").to_be_hidden()


def test_the_driver_sees_a_sign_and_the_state_of_now(browser: Browser, playing: Film) -> None:
    with open_page(browser, f"{playing.url}/driver") as page:
        expect(page, "#sign").to_have_attribute("data-key", "noface")
        expect(page, "#sign-text").to_have_text("No face")
        expect(page, "#now").to_contain_text("happy")
        expect(page, "#sign-text").to_have_text("Attentive")
        expect(page, "#now div:has(dt:text-is('Facing the front')) dd").to_have_text(re.compile(r"^\d+ %$"))
        expect(page, "#driver .foot").to_contain_text("Not a certified safety system.")


def test_the_device_shows_its_health(browser: Browser, playing: Film) -> None:
    with open_page(browser, f"{playing.url}/device") as page:
        expect(page, "#camera-word").to_have_text("Running")
        expect(page, "#stages tr[data-stage=detect] td:last-child").to_have_text(re.compile(r"^\d+\.\d ms$"))
        expect(page, "#outbox-word").to_have_text("Nothing waits")
        expect(page, "#software").to_contain_text("emotion-student")
        expect(page, "#selftest-word").to_have_text("Not run yet")
        first = page.locator("#health-note").inner_text()
        expect(page, "#health-note").not_to_have_text(first)  # the time of the next health message
        playing.listener.publish("emotion/film/cmd/request/selftest", "{}")
        expect(page, "#selftest-word").to_have_text(re.compile("Passed|Failed"))
        expect(page, "#selftest li").not_to_have_count(0)


def test_the_export_holds_the_numbers_of_the_messages(browser: Browser, playing: Film) -> None:
    wait_for(lambda: len(playing.listener.texts("emotion/film/summary")) > 8, "summaries", PATIENCE_MS / 1000)
    with open_page(browser, f"{playing.url}/room") as page:
        expect(page, "#chart path.area.positive").not_to_have_count(0)
        with page.expect_download() as download:
            page.get_by_role("link", name="Export CSV").click()
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    messages = playing.listener.objects("emotion/film/summary")
    assert len(rows) > 3 and {row["faces"] for row in rows} > {"0"}
    for row in rows:
        assert any(is_mean_of(row, some) for some in near(row, messages)), row


def near(row: dict[str, str], messages: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The messages that may have arrived in the second of a row: each stretch of those near it.

    The last one before is among them: an empty room is said once, and holds.
    """
    second = datetime.fromisoformat(row["time"]).timestamp()
    before = [message for message in messages if message["ts"] <= second - 2]
    close = before[-1:] + [message for message in messages if second - 2 < message["ts"] < second + 2]
    return [close[start:end] for start, end in itertools.combinations(range(len(close) + 1), 2)]


def is_mean_of(row: dict[str, str], messages: list[dict[str, Any]]) -> bool:
    """Whether the row is the mean of these messages; those without a face have no valence."""
    valences = [message["valence"] for message in messages if message["valence"] is not None]
    expected = {
        "faces": [message["faces"] for message in messages],
        "happy": [message["counts"]["happy"] for message in messages],
        "unknown": [message["counts"]["unknown"] for message in messages],
        **{f"valence_{sign}": [valence[sign] for valence in valences] for sign in ("positive", "negative", "neutral")},
    }
    return all(
        row[name] == "" if not values else float(row[name]) == pytest.approx(sum(values) / len(values), abs=1e-4)
        for name, values in expected.items()
    )


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(browser: Browser, playing: Film, view: str, scheme: Any) -> None:
    with open_page(browser, f"{playing.url}/{view}", color_scheme=scheme) as page:
        expect(page, "#link-word").to_have_text(re.compile("^Live"))
        assert violations(page) == []
        if view == "room":
            page.get_by_role("button", name="Table").click()
            assert violations(page) == []


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_fits_one_screen(browser: Browser, playing: Film, view: str, window: str) -> None:
    width, height = WINDOWS[window]
    with open_page(browser, f"{playing.url}/{view}", width, height) as page:
        expect(page, "#link-word").to_have_text(re.compile("^Live"))
        page.wait_for_timeout(500)
        root = "document.documentElement"
        assert page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == [width, height]
        cut = "[...document.querySelectorAll('.card')].filter(card => card.scrollHeight > card.clientHeight + 1)"
        assert page.evaluate(f"{cut}.filter(card => card.offsetParent).map(card => card.className)") == []


def test_a_low_window_scrolls_and_cuts_nothing(browser: Browser, playing: Film) -> None:
    with open_page(browser, f"{playing.url}/room", 800, 480) as page:
        expect(page, "#chart path.area.positive").not_to_have_count(0)
        assert page.evaluate("document.querySelector('#chart').clientHeight") > 150
        cut = "[...document.querySelectorAll('.room .card')].filter(card => card.scrollHeight > card.clientHeight + 1)"
        assert page.evaluate(f"{cut}.map(card => card.className)") == []


def test_the_page_shows_soon(browser: Browser, playing: Film, record_property: Any) -> None:
    """No limit is asserted: a busy machine is slow. The figure is in the report of the tests."""
    with open_page(browser, f"{playing.url}/room") as page:
        expect(page, "#link-word").to_have_text(re.compile("^Live"))
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)")
        loaded = page.evaluate("performance.getEntriesByType('resource').map(e => [e.name, e.decodedBodySize])")
    record_property("first_contentful_paint_ms", paint[0])
    print(f"first contentful paint: {paint[0]:.0f} ms")
    files = {name: size for name, size in loaded if "/page/" in name}
    assert len(files) > 10 and sum(files.values()) < 150_000
    assert all(name.startswith(playing.url) for name, _ in loaded), "nothing is asked of another server"
