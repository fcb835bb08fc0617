"""Opening a source in a test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from device.camera.camera import open_camera
from device.camera.frame import Frame
from device.config.schema import CameraConfig
from device.errors import SourceError


def config(source: Path | str, **settings: Any) -> CameraConfig:
    """A camera that plays files fast."""
    return dataclasses.replace(CameraConfig(source=str(source), fast=True), **settings)


def frames_of(source: Path | str, **settings: Any) -> list[Frame]:
    """Every frame of a source."""
    with open_camera(config(source, **settings)) as camera:
        return list(camera)


def error_of(source: Path | str, **settings: Any) -> str:
    """The sentence with which a source cannot be opened or read."""
    with pytest.raises(SourceError) as caught:
        frames_of(source, **settings)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text
