"""`device demo`: runs the whole pipeline on a bundled picture, with a real MQTT broker."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from pathlib import Path
from typing import Any

from device.config.schema import CameraConfig, DeviceConfig, ModelConfig, MqttConfig, ReportConfig
from device.demo.broker import Broker, open_broker
from device.demo.clip import FPS, SECONDS, write_clip
from device.demo.poster import Mark, save_poster
from device.demo.recorder import Recorder
from device.demo.subscriber import Subscriber
from device.errors import EmotionEdgeError
from device.host.terminal import paint
from device.mqtt.topics import Topics
from device.service.run import run
from device.standard_streams import log_to_stderr

__all__ = ["demo", "demo_config"]

HEALTH_S = 3.0  # short enough for several health messages within the clip


def demo(poster: Path, model: Path | None = None, broker_kind: str = "auto") -> int:
    """Run the service on the demo clip, print what a subscriber receives, and save the poster.

    Args:
        poster: where the annotated picture is written (PNG).
        model: a .tflite; None uses the bundled one.
        broker_kind: "auto", "mosquitto" or "amqtt"; see `open_broker`.

    Returns:
        0 if the subscriber received a start, a stable label and an end, else 1.

    Raises:
        EmotionEdgeError: the pipeline or the broker fails, or the poster cannot be written.
    """
    log_to_stderr(logging.WARNING)
    _make_folder(poster)
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="emotion-edge-") as name:
        folder = Path(name)
        with open_broker(folder, broker_kind) as broker:
            config = demo_config(folder, model, broker)
            root = Topics(config).root
            print(
                f"A clip of {SECONDS:g} s, published to {broker.name}; a subscriber to {root}/# receives:\n", flush=True
            )
            with Subscriber(broker, root) as subscriber:
                run(config, recorder.add)
                subscriber.wait_offline()
    if recorder.best_frame is not None:
        marks, footer = _marks(recorder, subscriber), _footer(subscriber, broker)
        save_poster(poster, recorder.best_frame, recorder.labels, marks, footer)
    return _report(subscriber, broker, poster)


def _make_folder(poster: Path) -> None:
    """Create the folder of the poster before the clip runs, so that a bad path fails at once."""
    try:
        poster.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmotionEdgeError(f"{poster}: cannot be written: {error.strerror}; choose another --out.") from error


def demo_config(folder: Path, model: Path | None, broker: Broker) -> DeviceConfig:
    """The defaults, with the clip, written into an empty folder, as a camera in real time."""
    clip = folder / "clip"
    clip.mkdir()
    write_clip(clip)
    return DeviceConfig(
        id="demo",
        purpose="test",
        purpose_note="demonstration with a bundled picture",
        jurisdiction="elsewhere",  # no person is filmed
        state_dir=str(folder / "state"),
        camera=CameraConfig(source=str(clip), fps=FPS),
        model=ModelConfig(path=str(model) if model is not None else None),
        mqtt=MqttConfig(host=broker.host, port=broker.port, protocol=broker.protocol),
        report=dataclasses.replace(ReportConfig(), health_s=HEALTH_S),
    )


def _marks(recorder: Recorder, subscriber: Subscriber) -> list[Mark]:
    """The events that arrived, at their time in the clip."""
    return [Mark(event["ts"] - recorder.clip_started, _caption(event)) for event in subscriber.events]


def _caption(event: dict[str, Any]) -> str:
    return "end" if event["type"] == "end" else f"{event['type']}: {event['emotion']}"


def _footer(subscriber: Subscriber, broker: Broker) -> str:
    model = subscriber.latest.get("status", {}).get("model", {})
    p50_ms = subscriber.latest.get("health", {}).get("stages", {}).get("total", {}).get("p50_ms", 0.0)
    return (
        f"{model.get('name', '?')} {model.get('version', '')}   |   {subscriber.counts.total()} messages from "
        f"{broker.name}   |   {p50_ms:.1f} ms a frame   |   picture: NASA, public domain"
    )


def _report(subscriber: Subscriber, broker: Broker, poster: Path) -> int:
    """Print the result; return the exit code."""
    counts = ", ".join(f"{channel} {count}" for channel, count in subscriber.counts.items())
    print(f"\nreceived {subscriber.counts.total()} messages: {counts}")
    types = {event["type"] for event in subscriber.events}
    has_label = "update" in types or subscriber.counts["tracks"] > 0
    if not ({"start", "end"} <= types and has_label):
        print(paint("The demo failed: a start, a stable label and an end should have been received.", "red"))
        return 1
    print(f"picture: {poster}\n" + paint("The chain works: start, stable label and end were received.", "green"))
    return 0
