"""What leaves a running device, taken whole and searched: no picture, no embedding.

In a crowd, nobody alone.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import device
from device.camera.sources.media_file import read_picture
from device.inference.model_card import read_card
from tests.device.service.test_service_command import PICTURE, ROOT, running, to, valid
from tests.support.broker import Listener, Mosquitto, needs_mosquitto, retained, wait_for

SOURCES = Path(device.__file__).parent
# How files of pictures and recordings of numbers begin.
MAGIC = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"BM6",
    b"\x93NUMPY",
    b"ftyp",
    b"\x1aE\xdf\xa3",
    b"II*\0",
    b"MM\0*",
)
LONG_TEXT = re.compile(rb"[A-Za-z0-9+/=_-]{65,}")  # longer than a sha256: pixels in base64, or worse
WRITES = re.compile(r"\b(imwrite|imencode|VideoWriter|tofile|np\.savez?|numpy\.savez?|b64encode|hexlify)\b")
MAX_BYTES = 2500  # of one message, health with its stages; a 48x48 face alone has 2304 numbers


def leaves(value: Any) -> Iterator[list[Any]]:
    """Every list of numbers in a message."""
    if isinstance(value, list):
        yield [item for item in value if isinstance(item, (int, float))]
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from leaves(inner)


def assert_shows_no_face(data: bytes | bytearray, where: str) -> None:
    assert not [magic for magic in MAGIC if magic in data], where
    assert not LONG_TEXT.search(data), where


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_search_finds_what_it_looks_for() -> None:
    for encoded in (PICTURE.read_bytes(), b'{"face":"' + b"iVBORw0KGgoAAAANSUhEUgAAAAUA" * 5 + b'"}'):
        with pytest.raises(AssertionError):
            assert_shows_no_face(encoded, "")
    assert [len(numbers) for numbers in leaves({"a": {"embedding": [0.5] * 128}})] == [128]


def test_no_module_of_the_device_can_write_a_picture() -> None:
    """Except the demo, of a bundled portrait, and `device snapshot`, which no service calls."""
    writers = {path.relative_to(SOURCES).parts[0] for path in SOURCES.rglob("*.py") if WRITES.search(path.read_text())}
    assert writers <= {"demo", "snapshot"}


@needs_mosquitto
def test_nothing_that_leaves_can_show_a_face(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    labels = len(read_card(model).labels)
    with Listener(mosquitto.port) as listener:
        loud = to(mosquitto.port, "report.health_s=0.2", "report.summary_s=0.1")
        with running(tmp_path, model, "--loop", *loud, TMPDIR=str(scratch)) as process:
            wait_for(lambda: len(listener.texts(f"{ROOT}/summary")) > 5, "summaries of a face")
            wait_for(lambda: listener.texts(f"{ROOT}/events"), "an event")
            on_disk = everything_in(tmp_path)
            process.send_signal(signal.SIGTERM)
            lines, complaints = process.communicate(timeout=60)
        listener.wait_text(f"{ROOT}/availability", "offline")
    for where, data in (
        on_disk | everything_in(tmp_path) | {"stdout": lines.encode(), "stderr": complaints.encode()}
    ).items():
        assert_shows_no_face(data, where)
    assert {Path(name).parent.name for name in on_disk} == {"state"}
    for message in listener.heard:
        assert_shows_no_face(message.payload, message.topic)
        if message.topic.startswith(ROOT):
            assert len(message.payload) < MAX_BYTES, message.topic
            said = json.loads(message.payload) if message.payload.startswith(b"{") else {}
            assert all(len(numbers) <= 4 for numbers in leaves(said)), message.topic  # a box, and nothing longer
            assert all(len(said.get(key) or {}) <= labels for key in ("scores", "mean_scores")), message.topic


def crowd(path: Path, heads: int) -> Path:
    """The portrait so many times in one picture."""
    small = cv2.resize(read_picture(PICTURE), (320, 320), interpolation=cv2.INTER_AREA)
    assert cv2.imwrite(str(path), np.hstack([small] * heads))
    return path


@needs_mosquitto
def test_in_a_crowd_only_the_summary_of_a_group_leaves(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    settings = (
        *("privacy.min_group=2", "report.summary_s=0.1", "attention.enabled=true", "attention.min_face_px=40"),
        "pipeline.budget_ms=null",  # a busy machine has no time left for the looks
    )
    groups = to(mosquitto.port, "purpose=audience", "jurisdiction=eu", *settings)
    source = ("--loop", "--source", str(crowd(tmp_path / "two.png", 2)))
    before = running(tmp_path, model, *to(mosquitto.port))  # an earlier life spoke of each face, and was killed
    with before, Listener(mosquitto.port, f"{ROOT}/#") as listener:
        listener.wait_objects(f"{ROOT}/tracks/1/state")
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        with running(tmp_path, model, *source, *groups) as process:
            wait_for(lambda: any(s["attention"] for s in listener.objects(f"{ROOT}/summary")), "attention")
            wait_for(lambda: f"{ROOT}/tracks/1/state" not in retained(mosquitto.port, f"{ROOT}/#"), "a clean broker")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        listener.wait_text(f"{ROOT}/availability", "offline")
    fresh = [message for message in listener.heard if not message.retain and message.payload]
    assert {m.topic.removeprefix(f"{ROOT}/") for m in fresh} == {"availability", "status", "summary", "health"}
    for summary in listener.objects(f"{ROOT}/summary"):
        valid("Summary", summary)
        assert summary["faces"] >= 2
        assert summary["attention"] is None or summary["attention"]["measured"] >= 2
    assert [each for each in listener.objects(f"{ROOT}/summary") if each["attention"] is not None]
    assert listener.objects(f"{ROOT}/status")[-1]["aggregate"] is True


@needs_mosquitto
def test_of_a_group_too_small_nothing_is_said(mosquitto: Mosquitto, model: Path, tmp_path: Path) -> None:
    with Listener(mosquitto.port, f"{ROOT}/#") as listener:
        groups = to(mosquitto.port, "purpose=audience", "jurisdiction=eu", "privacy.min_group=2", "report.health_s=0.2")
        with running(tmp_path, model, "--loop", *groups) as process:
            wait_for(lambda: [h for h in listener.objects(f"{ROOT}/health") if h["frames"] > 20], "frames with a face")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        listener.wait_text(f"{ROOT}/availability", "offline")
    fresh = {message.topic.removeprefix(f"{ROOT}/") for message in listener.heard if not message.retain}
    assert fresh == {"availability", "status", "health"}
    assert {health["face_reads"] for health in listener.objects(f"{ROOT}/health")} == {None}
