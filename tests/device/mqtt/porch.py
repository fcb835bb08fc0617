"""A device called `porch` for tests against a real broker."""

from __future__ import annotations

import time
from pathlib import Path

from device.config.schema import DeviceConfig, load_config
from device.messages import EmotionEvent, EventType, ModelInfo, TrackState
from device.publishing.mqtt_publisher import MqttPublisher

LABELS = ("angry", "happy", "neutral")


MODEL = ModelInfo(name="compact", version="1", digest="0" * 64, labels=LABELS)


ROOT = "emotion/porch"


DISCOVERY = "homeassistant/device/porch/config"


def config(port: int, folder: Path, *more: str) -> DeviceConfig:
    return load_config(
        overrides=[
            "device.id=porch",
            "device.mqtt.host=127.0.0.1",
            f"device.mqtt.port={port}",
            f"device.state_dir={folder / 'state'}",
            "device.mqtt.reconnect_min_s=0.1",
            "device.mqtt.reconnect_max_s=0.5",
            *more,
        ]
    )


OPEN: list[MqttPublisher] = []


def publish(port: int, folder: Path, *more: str) -> MqttPublisher:
    OPEN.append(MqttPublisher(config(port, folder, *more), MODEL))
    return OPEN[-1]


def scores(emotion: str) -> dict[str, float]:
    return {label: 0.8 if label == emotion else 0.1 for label in LABELS}


def event(kind: EventType, track: int = 1, emotion: str = "happy") -> EmotionEvent:
    box = None if kind == "end" else (10.0, 20.0, 30.0, 40.0)
    return EmotionEvent(
        type=kind, track=track, ts=time.time(), emotion=emotion, confidence=0.8, scores=scores(emotion), box=box
    )


def face(track: int = 1, emotion: str = "happy") -> TrackState:
    box = (10.0, 20.0, 30.0, 40.0)
    return TrackState(track=track, ts=time.time(), emotion=emotion, confidence=0.8, scores=scores(emotion), box=box)
