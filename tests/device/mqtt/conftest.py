"""Fixtures for tests of the publisher against a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device.mqtt.porch import OPEN
from tests.support.broker import Mosquitto


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """For tests that kill it, or put it to a use of their own."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.kill()


@pytest.fixture(autouse=True)
def leave_none_open() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()
