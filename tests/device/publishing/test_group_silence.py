"""Status tells that too few faces are in view, and no number."""

from __future__ import annotations

import json
from pathlib import Path

from device.config.schema import DeviceConfig, load_config
from device.messages import ModelInfo
from device.outbox.outbox import Outbox
from device.publishing.status_reporter import GROUP_S, StatusReporter

MODEL = ModelInfo(name="compact", version="3", digest="ab", labels=("happy", "sad"))


def reporter(folder: Path, *settings: str) -> StatusReporter:
    config: DeviceConfig = load_config(overrides=["device.id=porch", *settings])
    return StatusReporter(config, MODEL, Outbox(folder, config.outbox))


def test_a_change_is_told_once_and_not_too_often(tmp_path: Path) -> None:
    status = reporter(tmp_path, "device.purpose=audience", "device.jurisdiction=eu")
    assert status.status().below_min_group is True  # before the first frame
    assert status.group(True, 1.0) is None
    message = status.group(False, 2.0)
    assert message is not None and json.loads(message.payload)["below_min_group"] is False
    assert status.group(False, 3.0) is None
    assert status.group(True, 2.0 + GROUP_S / 2) is None, "who comes and goes must not be counted by it"
    later = status.group(True, 2.0 + GROUP_S)
    assert later is not None and json.loads(later.payload)["below_min_group"] is True


def test_where_single_faces_are_published_there_is_nothing_to_tell(tmp_path: Path) -> None:
    status = reporter(tmp_path, "device.purpose=home", "device.jurisdiction=eu")
    assert status.status().below_min_group is None
    assert status.group(None, 1.0) is None
