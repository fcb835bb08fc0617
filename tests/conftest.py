"""What every test shares: hypothesis's profile, and for tests of a running device a broker and a small network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.broker import Mosquitto
from tests.support.tiny_models import write_tiny

# A busy machine is slow at drawing examples, and nothing here asserts on time.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker, one a module of tests."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, one a module of tests."""
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.tflite")
