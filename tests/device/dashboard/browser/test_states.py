"""What the page says when something is missing, old or forged: boards played by hand."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from device.messages.attention import AttentionState, GroupAttention
from tests.device.dashboard import helpers
from tests.device.dashboard.browser.hand import HOSTILE, Hand
from tests.support.broker import Listener, Mosquitto, needs_mosquitto
from tests.support.browser import PATIENCE_MS, expect, needs_axe, needs_browser, open_page, violations
from tests.support.dashboard import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [needs_browser, needs_mosquitto, pytest.mark.long, pytest.mark.timeout(600)]

TABS = 10
ATTENTION = AttentionState(
    yaw_deg=3.0, pitch_deg=-12.0, roll_deg=0.0, eye_openness=0.9, mouth_openness=0.1, facing=0.85, perclos=0.04,
    blinks_per_min=12.0, eyes_closed=False, yawning=False, looking_away=False,
)  # fmt: skip


@contextmanager
def board(broker: Mosquitto, folder: Path, device: str) -> Iterator[tuple[Hand, str]]:
    """A board and the address of its dashboard."""
    with (
        Listener(broker.port, "nothing") as listener,
        dashboard(folder, broker.port, "--topic", f"emotion/{device}") as url,
    ):
        yield Hand(listener, device), url


def test_a_driver_is_told_what_to_do(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "car") as (hand, url), open_page(browser, f"{url}/driver") as page:
        expect(page, "#sign-text").to_have_text("No device")
        hand.start()
        expect(page, "#sign-text").to_have_text("No face")
        hand.face(None)
        expect(page, "#sign-text").to_have_text("Not measured")
        expect(page, "#sign-note").to_contain_text("device.attention.enabled: true")
        hand.face(ATTENTION)
        expect(page, "#sign-text").to_have_text("Attentive")
        expect(page, "#sign-said").to_have_text("Attentive")
        expect(page, "#now").to_contain_text("85 %")
        expect(page, "#now").to_contain_text("12° down")
        hand.send("events", helpers.alert("looking_away", "start", 2.0))
        hand.face(dataclasses.replace(ATTENTION, looking_away=True))
        expect(page, "#sign-text").to_have_text("Look at the road")
        expect(page, "#alerts li").to_contain_text("Looked away")
        expect(page, "#alerts li .figure").to_have_text("now")
        hand.send("events", helpers.alert("looking_away", "end", 3.5))
        hand.face(dataclasses.replace(ATTENTION, eyes_closed=True))
        expect(page, "#sign-text").to_have_text("Eyes closed")
        expect(page, "#alerts li .figure").to_have_text("3.5 s")
        hand.send("events", helpers.alert("drowsy", "start", 0.0))
        hand.face(ATTENTION)
        expect(page, "#sign-text").to_have_text("Drowsy")
        hand.listener.publish(f"{hand.root}/availability", "offline", retain=True)
        expect(page, "#sign-text").to_have_text("Device offline")
        expect(page, "#link-word").to_have_text("Device offline")


def test_signs_differ_in_shape_and_not_by_colour_alone(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    shapes = set()
    with board(mosquitto, tmp_path, "shapes") as (hand, url), open_page(browser, f"{url}/driver") as page:
        hand.start()
        for attention, words in {
            ATTENTION: "Attentive",
            dataclasses.replace(ATTENTION, looking_away=True): "Look at the road",
            dataclasses.replace(ATTENTION, eyes_closed=True): "Eyes closed",
        }.items():
            hand.face(attention)
            expect(page, "#sign-text").to_have_text(words)
            shapes.add(page.locator("#sign-picture").inner_html())
    assert len(shapes) == 3


@needs_axe
def test_axe_finds_nothing_in_a_busy_room_or_an_alert(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "busy") as (hand, url):
        for scheme in ("light", "dark"):
            with open_page(browser, f"{url}/driver", color_scheme=scheme) as page:
                hand.start()
                hand.face(dataclasses.replace(ATTENTION, eyes_closed=True))
                hand.send("events", helpers.alert("eyes_closed", "start", 0.6))
                expect(page, "#sign-text").to_have_text("Eyes closed")
                assert violations(page) == []
                page.get_by_role("link", name="Room").click()
                with hand.repeating(helpers.summary(12, attention=GroupAttention(measured=11, facing=0.4))):
                    expect(page, "#attention-word").to_have_text("40 % facing the front")
                    assert violations(page) == []
                hand.listener.publish(f"{hand.root}/availability", "offline", retain=True)
                expect(page, "#banner").to_contain_text("offline")
                assert violations(page) == [], "old data is greyed, and can still be read"


def test_old_data_is_shown_with_its_age(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "gone") as (hand, url), open_page(browser, f"{url}/room") as page:
        hand.start()
        with hand.repeating(helpers.summary(7)):
            expect(page, "#faces").to_have_text("7")
        hand.listener.publish(f"{hand.root}/availability", "offline", retain=True)
        expect(page, "#faces-note").to_contain_text(re.compile(r"As of \d\d:\d\d:\d\d, \d+ (s|min) ago"))
        expect(page, "#faces").to_have_text("7")
        hand.start()
        with hand.repeating(helpers.summary(3)):
            expect(page, "#faces").to_have_text("3")
        expect(page, "#banner").to_have_text("")


def test_the_broker_goes_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    with board(broker, tmp_path / "dashboard", "hall") as (hand, url), open_page(browser, f"{url}/room") as page:
        hand.start()
        expect(page, "#link-word").to_have_text("Live")
        broker.kill()
        expect(page, "#link-word").to_have_text("No broker")
        expect(page, "#banner").to_contain_text("broker")
        broker.start()
        expect(page, "#link-word").not_to_have_text("No broker")
        broker.kill()


def test_the_dashboard_ends_and_starts_again(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    topic = ("--topic", "emotion/again")
    with Listener(mosquitto.port, "nothing") as listener:
        hand = Hand(listener, "again")
        hand.start()
        with dashboard(tmp_path, mosquitto.port, *topic) as url:
            address = url.removeprefix("http://")
            context = browser.new_context()
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.goto(f"{url}/room")
            expect(page, "#link-word").to_have_text("Live")
        expect(page, "#link-word").to_have_text("No answer")
        expect(page, "#banner").to_contain_text("This page tries again")
        with dashboard(tmp_path, mosquitto.port, *topic, "--listen", address):
            expect(page, "#link-word").to_have_text("Live")
        context.close()


def test_a_group_that_is_too_small_is_not_counted(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "class") as (hand, url), open_page(browser, f"{url}/room") as page:
        hand.start(aggregate=True, below_min_group=False)
        with hand.repeating(helpers.summary(6)):
            expect(page, "#faces").to_have_text("6")
        hand.start(aggregate=True, below_min_group=True)
        expect(page, "#faces").to_have_text("\N{EN DASH}")
        expect(page, "#faces-note").to_contain_text("groups only")
        page.get_by_role("link", name="Driver").click()
        expect(page, "#sign-text").to_have_text("Not measured")
        expect(page, "#sign-note").to_contain_text("groups only")


def test_an_agent_that_restarts_is_told(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "fresh") as (hand, url), open_page(browser, f"{url}/device") as page:
        hand.start()
        health: dict[str, Any] = {
            "ts": time.time(), "uptime_s": 4.0, "fps": 15.0, "frames": 60, "skipped": 0, "last_frame_age_s": 0.1,
            "camera_reopenings": 0, "stages": {}, "temperature_c": None, "throttling": None, "memory_mb": 120.0,
            "outbox": {"depth": 0, "dropped": 0, "oldest_age_s": None}, "reconnects": 0,
        }  # fmt: skip
        hand.send("health", json.dumps(health))
        expect(page, "#link-word").to_have_text(re.compile(r"Live, started \d+ s ago"))
        hand.send("health", json.dumps(health | {"uptime_s": 7200.0}))
        expect(page, "#link-word").to_have_text("Live")


def test_html_in_messages_is_shown_as_text(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "hostile") as (hand, url), open_page(browser, f"{url}/device") as page:
        model = {"name": HOSTILE, "version": HOSTILE, "digest": "ab" * 32, "labels": [HOSTILE]}
        status = json.loads(helpers.status(device="hostile", camera="failed", camera_error=HOSTILE).to_json())
        hand.start()
        hand.send("status", json.dumps(status | {"model": model, "purpose": HOSTILE}), retain=True)
        hand.send(
            "cmd/response/selftest",
            json.dumps({"status": "error", "data": None, "error": HOSTILE, "transaction": None}),
        )
        expect(page, "#camera-note").to_contain_text("<script>")
        expect(page, "#software").to_contain_text("<img src=x")
        expect(page, "#selftest-note").to_contain_text("<img")
        expect(page, "#banner").to_contain_text("<img")
        counted = dataclasses.replace(helpers.summary(), counts={HOSTILE: 2, "__proto__": 1})
        track = json.loads(helpers.track().to_json())
        hand.send("tracks/1/state", json.dumps(track | {"emotion": HOSTILE, "ts": 1e300}), retain=True)
        page.get_by_role("link", name="Room").click()
        with hand.repeating(counted):
            expect(page, "#expressions").to_contain_text("<img")
        page.get_by_role("link", name="Driver").click()
        assert page.evaluate("window.hit") is None
        assert page.locator("main img, main script").count() == 0


def test_ten_tabs_share_one_stream(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "tabs") as (hand, url):
        hand.start()
        context = browser.new_context()
        context.set_default_timeout(PATIENCE_MS)
        pages = [context.new_page() for _ in range(TABS)]
        for page in pages:
            page.goto(f"{url}/room")
        for faces in (3, 8):
            assert_all_show(pages, hand, faces)
        streams = [page.evaluate("navigator.locks.query().then(found => found.held.length)") for page in pages]
        assert set(streams) == {1}, "one tab of them holds the stream"
        pages.pop(0).close()  # it opened the stream; another tab takes over
        assert_all_show(pages, hand, 5)
        context.close()


def assert_all_show(pages: list[Page], hand: Hand, faces: int) -> None:
    """Every tab shows the number of faces of a new summary."""
    with hand.repeating(helpers.summary(faces)):
        for page in pages:
            expect(page, "#faces").to_have_text(str(faces))


def test_the_page_can_be_used_with_the_keyboard(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with board(mosquitto, tmp_path, "keys") as (hand, url), open_page(browser, f"{url}/room") as page:
        hand.start()
        expect(page, "#link-word").to_have_text("Live")
        reached = []
        for _ in range(9):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name"))
        assert reached[:4] == ["Skip to the content", "Room", "Driver", "Device"]
        assert {"range", "Table", "Export CSV"} <= set(reached)
        page.get_by_role("link", name="Driver").press("Enter")
        assert page.url.endswith("/driver")
        assert page.evaluate("document.activeElement.id") == "driver-title"
        page.go_back()
        expect(page, "#room").to_be_visible()


def test_a_chosen_theme_stays_and_motion_can_be_reduced(browser: Browser, mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        board(mosquitto, tmp_path, "theme") as (_, url),
        open_page(browser, f"{url}/room", color_scheme="light", reduced_motion="reduce") as page,
    ):
        paper = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        for word in ("Light", "Dark"):
            page.locator("#theme").click()
            expect(page, "#theme-word").to_have_text(word)
        dark = page.evaluate(paper)
        assert dark != light
        page.reload()
        assert page.evaluate(paper) == dark
        assert page.evaluate("getComputedStyle(document.querySelector('#mood-bar span')).transitionDuration") == "0s"
