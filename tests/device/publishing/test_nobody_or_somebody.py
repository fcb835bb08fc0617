"""Where only groups are published, nothing tells a person from an empty room.

Everything that leaves is compared: each topic, field, metric and answer. A field that is new is
compared too. One that changes with time by itself must be named here, with the reason why it does
not depend on faces.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device.service.test_service_command import ROOT, running, to
from tests.support.broker import Listener, Mosquitto, free_port, needs_mosquitto, wait_for
from tests.support.clips import scene, write_clip

Face = tuple[int, int, int]  # x, y, side

FRAMES, FPS = 20, 10.0
# Field -> how far two rooms may differ in it, as a factor; None: any value.
CHANGES_WITH_TIME: dict[str, float | None] = {
    "ts": None,
    "uptime_s": None,
    "frames": 3.0,  # delivered by the camera since the start, which differs between the two runs
    "fps": 1.5,  # of the camera
    "camera_fps": 1.5,  # the same
    "last_frame_age_s": None,  # a tenth of a second, longer than a frame takes
    "temperature_c": None,  # of the processor, also by other work
    "throttling": None,
    "memory_mb": 1.2,  # of the whole process
}
GROUPS = (
    *("purpose=audience", "jurisdiction=eu", "privacy.min_group=2", "report.health_s=0.2", "report.summary_s=0.1"),
    "attention.enabled=true",
)


def fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a message, with its path."""
    if isinstance(value, dict):
        yield name, sorted(value)
        for key, inner in value.items():
            yield from fields(inner, f"{name}.{key}")
    else:
        yield name, value


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for line in lines if line[0] != "#" for name, value in [line.rsplit(" ", 1)]}


class Room:
    """Everything that leaves a device which sees this many faces for a while."""

    def __init__(self, mosquitto: Mosquitto, model: Path, folder: Path, port: int, faces: list[Face]) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # of the other room: answers hold its path
        folder.mkdir()
        write_clip(folder / "room.avi", [scene(faces)] * FRAMES, FPS)
        settings = to(mosquitto.port, *GROUPS, f"metrics.port={port}", "selftest.runs=2", "selftest.warmup=0")
        self.values: dict[str, set[str]] = defaultdict(set)
        with Listener(mosquitto.port, f"{ROOT}/#", "homeassistant/#") as listener:
            with running(folder, model, "--loop", "--source", "room.avi", *settings) as process:
                wait_for(lambda: [h for h in listener.objects(f"{ROOT}/health") if h["frames"] > 2 * FRAMES], "frames")
                for verb in ("status", "selftest"):
                    listener.publish(f"{ROOT}/cmd/request/{verb}", "")
                    listener.wait_objects(f"{ROOT}/cmd/response/{verb}")
                self.metrics = metrics(port)
                process.terminate()
                process.communicate(timeout=60)
            listener.wait_text(f"{ROOT}/availability", "offline")
        for message in listener.heard:
            if message.retain or "/cmd/request/" in message.topic or message.topic == f"{ROOT}/selftest":
                continue  # what others sent, and the random text that a self-test sends to itself
            text = message.payload.decode()
            if message.topic.endswith("/response/selftest"):  # its times are of the bundled picture
                text = re.sub(r"\d+(\.\d+)?", "0", text)
            for name, value in fields(json.loads(text) if text.startswith("{") else text):
                self.values[f"{message.topic}{name}"].add(json.dumps(value))


def alike(values: list[float], factor: float | None) -> bool:
    return factor is None or max(values) <= factor * min(values) or math.isclose(max(values), min(values))


@needs_mosquitto
def test_one_person_and_nobody_look_the_same(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    port = free_port()  # one for both: it is part of the config, whose digest is published
    nobody = Room(mosquitto, model, tmp_path / "room", port, [])
    somebody = Room(mosquitto, model, tmp_path / "room", port, [(200, 120, 230)])
    assert nobody.values.keys() == somebody.values.keys()
    for name, values in nobody.values.items():
        field, others = name.rpartition(".")[2], somebody.values[name]
        if field not in CHANGES_WITH_TIME or not name.startswith(ROOT):  # an announcement has names only
            assert values == others, name
        elif CHANGES_WITH_TIME[field] is not None:
            numbers = [[float(value) for value in side if value != "null"] for side in (values, others)]
            assert alike(list(map(max, numbers)), CHANGES_WITH_TIME[field]), (name, numbers)
    _compare_metrics(nobody.metrics, somebody.metrics)


def _compare_metrics(nobody: dict[str, float], somebody: dict[str, float]) -> None:
    units = {"seconds": "s", "celsius": "c", "bytes": "mb"}
    assert nobody.keys() == somebody.keys()
    for name in nobody:
        words = name.removeprefix("emotion_edge_").removesuffix("_total").partition("{")[0]
        head, _, unit = words.rpartition("_")
        field = f"{head}_{units[unit]}" if unit in units else words
        if field in CHANGES_WITH_TIME:
            assert alike([nobody[name], somebody[name]], CHANGES_WITH_TIME[field]), name
        else:
            assert nobody[name] == somebody[name], name
