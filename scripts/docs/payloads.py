"""Write the payloads of docs/events.md from a real run of the demo.

Run it when there is a new model or new defaults: .venv/bin/python scripts/docs/payloads.py [MODEL]
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from device.config.schema import DeviceConfig, load_config
from device.demo.broker import Broker, open_broker
from device.demo.clip import FPS, write_clip
from device.mqtt.topics import AVAILABILITY, EVENTS, HEALTH, STATUS, SUMMARY, TRACK_STATE, Channel, Topics
from device.service.run import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"
# Of all messages on a channel, the last one for which this holds is shown.
WORTH: dict[Channel, Callable[[dict[str, Any]], bool]] = {
    STATUS: lambda received: bool(received["camera"] == "running"),
    EVENTS: lambda received: bool(received["type"] == "update"),
    TRACK_STATE: lambda received: True,
    SUMMARY: lambda received: bool(received["faces"] > 0),
    HEALTH: lambda received: True,
}


def heard(config: DeviceConfig, broker: Broker) -> dict[str, list[str]]:
    """Run the device to the end of its clip; topic -> payloads."""
    received: dict[str, list[str]] = {}
    topics, subscribed, over = Topics(config), threading.Event(), threading.Event()

    def on_message(_client: object, _data: object, message: Any) -> None:
        received.setdefault(message.topic, []).append(message.payload.decode())
        if message.topic == topics.of(AVAILABILITY) and message.payload == b"offline":
            over.set()

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message, client.on_subscribe = on_message, lambda *_: subscribed.set()
    client.connect(broker.host, broker.port)
    client.subscribe(f"{topics.root}/#", qos=1)
    client.loop_start()
    subscribed.wait(10)
    run(config)
    over.wait(10)
    client.disconnect()
    return received


def settings(folder: Path, broker: Broker, model: list[str]) -> DeviceConfig:
    """The defaults, with the clip as the camera, and health often enough for so short a clip."""
    write_clip(folder / "clip")
    values = {
        "id": "porch",
        "purpose": "art",
        "purpose_note": "hallway installation",
        "jurisdiction": "eu",
        "state_dir": folder / "state",
        "camera.source": folder / "clip",
        "camera.fps": FPS,
        "mqtt.host": broker.host,
        "mqtt.port": broker.port,
        "mqtt.protocol": broker.protocol,
        "report.health_s": 6,
    }
    return load_config(overrides=[f"device.{key}={value}" for key, value in values.items()] + model)


def with_payload(page: str, channel: Channel, payload: str) -> str:
    """The page with this channel's example replaced."""
    heading = f"\n## `{channel.address.replace('{track}', '<track>')}`\n"
    before, found, after = page.partition(heading)
    return (
        before
        + found
        + re.sub(r"```json\n.*?```", lambda _: f"```json\n{payload}\n```", after, count=1, flags=re.DOTALL)
    )


def main(arguments: list[str]) -> None:
    """Play, listen, write."""
    model = [f"device.model.path={Path(path).resolve()}" for path in arguments[:1]]
    with tempfile.TemporaryDirectory() as name, open_broker(Path(name)) as broker:
        (Path(name) / "clip").mkdir()
        config = settings(Path(name), broker, model)
        received = heard(config, broker)
    page = PAGE.read_text(encoding="utf-8")
    for channel, worth in WORTH.items():
        payloads = [text for text in received[Topics(config).of(channel, track=1)] if text and worth(json.loads(text))]
        page = with_payload(page, channel, payloads[-1]) if payloads else page
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
