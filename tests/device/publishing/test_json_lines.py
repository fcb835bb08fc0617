"""JSON lines on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.config.schema import DeviceConfig
from device.errors import StateError
from device.messages import EmotionEvent, ModelInfo
from device.publishing.publisher import open_publisher


def event(track: int) -> EmotionEvent:
    return EmotionEvent(type="start", track=track, ts=1.0, emotion="happy", confidence=0.5, scores={})


def test_without_a_broker_events_are_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    publisher = open_publisher(DeviceConfig(), ModelInfo(name="m", version="1", digest="", labels=("happy", "sad")))
    assert publisher.remote is None, "nobody can send requests"
    publisher.publish([event(1), event(2)], [])
    publisher.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["seq"], line["track"]) for line in lines] == [(1, 1), (2, 2)]


def test_a_full_disk_under_the_lines_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = open_publisher(DeviceConfig(), ModelInfo(name="m", version="1", digest="", labels=("happy", "sad")))
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(StateError, match="standard output cannot be written: No space left on device"):
            publisher.publish([event(1)], [])
