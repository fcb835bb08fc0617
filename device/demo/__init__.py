"""`device demo`: the whole chain on one picture, from frames to a subscriber of a real broker."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from pathlib import Path
from typing import Any

from device.config.schema import CameraConfig, DeviceConfig, ModelConfig, MqttConfig, ReportConfig
from device.demo.broker import Broker, open_broker
from device.demo.clip import FPS, SECONDS, write_clip
from device.demo.poster import Mark, save_picture
from device.demo.recorder import Film
from device.demo.subscriber import Consumer
from device.errors import EmotionEdgeError
from device.host.terminal import paint
from device.mqtt.topics import Topics
from device.service.run import run

HEALTH_S = 3.0  # often enough to be seen in a short film


def demo(picture: Path, model: Path | None = None, broker_kind: str = "auto") -> int:
    """Play the film through the chain and listen to what it says.

    Args:
        picture: where the annotated picture goes.
        model: a .tflite; None takes the bundled one.
        broker_kind: see `open_broker`.

    Returns:
        0 if a start, a steady reading and an end came back from the broker, else 1.

    Raises:
        EmotionEdgeError: the chain or the broker fails, or the picture cannot be written.
    """
    logging.basicConfig(level=logging.WARNING, format="device: %(message)s")
    _make_room(picture)
    film = Film()
    with tempfile.TemporaryDirectory(prefix="emotion-edge-") as name:
        folder = Path(name)
        with open_broker(folder, broker_kind) as broker:
            config = _config(folder, model, broker)
            root = Topics(config).root
            print(f"A {SECONDS:g} s film through the chain to {broker.name}; a consumer hears {root}/#:\n", flush=True)
            with Consumer(broker, root) as consumer:
                run(config, film.watch)
                consumer.wait_offline()
    if film.shot is not None:
        save_picture(picture, film.shot, film.moments, _marks(film, consumer), _small_print(consumer, broker))
    return _verdict(consumer, broker, picture)


def _make_room(picture: Path) -> None:
    """Make the picture's folder now: nobody likes to hear at the end that there is none."""
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmotionEdgeError(f"{picture}: cannot be written: {error.strerror}; choose another --out.") from error


def _config(folder: Path, model: Path | None, broker: Broker) -> DeviceConfig:
    """The defaults, and the film in real time as the camera."""
    clip = folder / "clip"
    clip.mkdir()
    write_clip(clip)
    return DeviceConfig(
        id="demo",
        purpose="test",
        purpose_note="demonstration with a bundled picture",
        jurisdiction="elsewhere",  # nobody stands before this camera
        state_dir=str(folder / "state"),
        camera=CameraConfig(source=str(clip), fps=FPS),
        model=ModelConfig(path=str(model) if model is not None else None),
        mqtt=MqttConfig(host=broker.host, port=broker.port, protocol=broker.protocol),
        report=dataclasses.replace(ReportConfig(), health_s=HEALTH_S),
    )


def _marks(film: Film, consumer: Consumer) -> list[Mark]:
    """The events that arrived, where they stand in the film."""
    return [Mark(event["ts"] - film.began, _word(event)) for event in consumer.events]


def _word(event: dict[str, Any]) -> str:
    return "end" if event["type"] == "end" else f"{event['type']}: {event['emotion']}"


def _small_print(consumer: Consumer, broker: Broker) -> str:
    model = consumer.said.get("status", {}).get("model", {})
    took = consumer.said.get("health", {}).get("stages", {}).get("total", {}).get("p50_ms", 0.0)
    return (
        f"{model.get('name', '?')} {model.get('version', '')}   |   {consumer.heard.total()} messages from "
        f"{broker.name}   |   {took:.1f} ms a frame   |   picture: NASA, public domain"
    )


def _verdict(consumer: Consumer, broker: Broker, picture: Path) -> int:
    counts = ", ".join(f"{channel} {count}" for channel, count in consumer.heard.items())
    print(f"\nheard {consumer.heard.total()} messages from {broker.name}: {counts}")
    types = {event["type"] for event in consumer.events}
    steady = "update" in types or consumer.heard["tracks"] > 0
    if not ({"start", "end"} <= types and steady):
        print(paint("The demo failed: a start, a steady reading and an end should have come back.", "red"))
        return 1
    print(f"picture: {picture}\n" + paint("The chain works: start, steady reading and end came back.", "green"))
    return 0
