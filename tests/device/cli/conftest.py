"""A model for commands that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.inference.model_card import read_card
from tests.support.tiny_models import LABELS, write_tiny


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = write_tiny(tmp_path / "m.tflite")
    assert read_card(path).labels == LABELS
    return f"device.model.path={path}"
