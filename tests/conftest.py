"""What tests share: hypothesis's profile, how they spread over processes, a broker, a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.broker import Mosquitto
from tests.support.tiny_models import write_tiny

# A busy machine is slow at drawing examples, and nothing here asserts on time.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

PRIVATE = {"mosquitto", "model"}  # fixtures of a module that are made at once, in any process


def pytest_configure(config: pytest.Config) -> None:
    """Use one PyTorch thread in each of several test processes, and in what they start."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with slow files, and keep tests in one process where they share an expensive fixture.

    pytest-xdist (`--dist loadgroup`) sends all others to whichever process is free.
    """
    slow: dict[Path, bool] = {}
    for item in items:
        slow[item.path] = slow.get(item.path, False) or item.get_closest_marker("slow") is not None
        if shared_fixtures(item):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem}"))
    items.sort(key=lambda item: not slow[item.path])  # stable: else as collected


def shared_fixtures(item: pytest.Item) -> set[str]:
    """The fixtures of a test that are made once for its whole file."""
    found = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return {name for name, definitions in found.items() if definitions[-1].scope == "module"} - PRIVATE


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker, one a module of tests (and a process, where they are spread over several)."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, one a module of tests."""
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.tflite")
