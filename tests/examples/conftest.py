"""Fixtures for the examples: a broker of their own, publishers that are closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.device.mqtt.porch import OPEN


@pytest.fixture(autouse=True)
def leave_none_open() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()
