"""A browser, and the demo's film played by the real agent into the real dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.broker import Listener, Mosquitto
from tests.support.browser import open_browser
from tests.support.dashboard import dashboard, film

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as chromium:
        yield chromium


@dataclass
class Film:
    """What plays, and where it is shown.

    Attributes:
        url: of the dashboard.
        listener: has received all messages since before the film began.
    """

    url: str
    listener: Listener


@pytest.fixture(scope="module")
def playing(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Film]:
    folder = tmp_path_factory.mktemp("film")
    with (
        Listener(mosquitto.port, "emotion/film/#") as listener,
        dashboard(folder / "dashboard", mosquitto.port, "--topic", "emotion/film") as url,
        film(folder, mosquitto.port, "film", "--set", "device.attention.enabled=true"),
    ):
        yield Film(url, listener)
