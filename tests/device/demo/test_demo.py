"""`device demo`, and its parts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.camera.sources.media_file import read_picture
from device.config.schema import DetectorConfig
from device.demo.clip import HEIGHT, WIDTH, frames, write_clip
from device.demo.poster import AnnotatedFrame, Face, FrameLabel, Mark, colour_of, save_poster
from device.errors import EmotionEdgeError
from device.inference.box import Box
from device.vision.detector import open_detector
from tests.support.broker import needs_mosquitto
from tests.support.command import device
from tests.support.tiny_models import LABELS, write_tiny


def demo(cwd: Path, *args: object) -> str:
    """Run the demo and return its output; it may leave nothing but the picture."""
    scratch = cwd / "tmp"
    scratch.mkdir()
    done = device("demo", *args, cwd=cwd, environment={"TMPDIR": str(scratch)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert list(scratch.iterdir()) == []
    assert read_picture(cwd / "demo" / "emotion-edge-demo.png").shape == (800, 1280, 3)
    left = {path.relative_to(cwd).parts[0] for path in cwd.rglob("*") if path.is_file()}
    assert left <= {"demo", "m.tflite"}
    return done.stdout


@pytest.mark.slow
@needs_mosquitto
def test_the_demo_with_its_defaults(tmp_path: Path) -> None:
    output = demo(tmp_path)
    assert "published to Mosquitto; a subscriber to emotion/demo/# receives:" in output
    assert re.search(r"events +start +track 1 ", output)
    assert re.search(r"events +update +track \d+ +unknown -> happy ", output)  # on a busy machine it may be the second
    assert re.search(r"events +end +track 1 ", output)
    assert re.search(r"availability +offline", output)
    assert output.rstrip().endswith("start, stable label and end were received.")


@pytest.mark.slow
def test_the_demo_with_the_embedded_broker_and_another_model(tmp_path: Path) -> None:
    output = demo(tmp_path, "--broker", "amqtt", "--model", write_tiny(tmp_path / "m.tflite"))
    assert "to amqtt (embedded)" in output and "model tiny 0" in output
    assert re.search(r"events +end +track 1 ", output)


def test_the_clip_shows_no_face_then_one_face_then_no_face() -> None:
    clip = list(frames())[::5]
    detector = open_detector(DetectorConfig())
    faces = [len(detector.detect(frame)) for frame in clip]
    assert all(frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8 for frame in clip)
    assert re.fullmatch("0{3,}1{10,}0{3,}", "".join(map(str, faces)))


def test_the_clip_is_written_in_order(tmp_path: Path) -> None:
    count = write_clip(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == count == 135 and names[0] == "0001.jpg"


def a_frame(faces: int = 1) -> AnnotatedFrame:
    image = np.full((480, 640, 3), 90, np.uint8)
    scores = {label: 1 / len(LABELS) for label in LABELS}
    return AnnotatedFrame(
        image, [Face(n, Box(40 * n, 60, 120, 120), "happy", 0.8, scores) for n in range(1, faces + 1)]
    )


def test_the_poster_shows_the_frame_and_a_box_in_the_colour_of_the_label(tmp_path: Path) -> None:
    path = tmp_path / "made" / "p.png"
    save_poster(
        path,
        a_frame(),
        [FrameLabel(0, None), FrameLabel(1, "happy"), FrameLabel(2, None)],
        [Mark(1, "start")],
        "small print",
    )
    picture = read_picture(path)
    assert tuple(picture[500, 400]) == (90, 90, 90)  # the frame
    happy = np.all(np.abs(picture.astype(int) - colour_of("happy", LABELS)) < 12, axis=2)
    assert happy[32:680, 32:896].sum() > 500  # the box and its tag
    assert happy[728:748, 700].all()  # the timeline, past the middle of the clip


@pytest.mark.parametrize("where", [Box(-30, -30, 80, 80), Box(600, 440, 90, 90), Box(0, 0, 640, 480)])
def test_a_face_at_the_edge_is_drawn(tmp_path: Path, where: Box) -> None:
    face = Face(1, where, "unknown", 0.2, dict.fromkeys(LABELS, 0.1))
    save_poster(
        tmp_path / "p.png", AnnotatedFrame(np.zeros((480, 640, 3), np.uint8), [face]), [FrameLabel(0, None)], [], ""
    )
    assert cv2.imread(str(tmp_path / "p.png")) is not None


def test_a_poster_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.png").mkdir()
    with pytest.raises(EmotionEdgeError, match=r"p.png: cannot be written: Is a directory; choose another --out\."):
        save_poster(tmp_path / "p.png", a_frame(2), [FrameLabel(0, None)], [], "")


def test_every_label_has_a_colour_of_its_own() -> None:
    colours = [colour_of(label, LABELS) for label in (*LABELS, "unknown")]
    assert len(set(colours)) == len(colours)


def test_without_mosquitto_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from device.demo import broker

    monkeypatch.setattr(broker, "PATHS", str(tmp_path))
    with pytest.raises(EmotionEdgeError, match="apt install mosquitto"), broker.open_broker(tmp_path, "mosquitto"):
        pass
    assert shutil.which("mosquitto", path=broker.PATHS) is None
