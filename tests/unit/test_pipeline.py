"""The chain from frames to events: real detector, real runtime, a tiny network, the public-domain portrait."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.camera import Frame
from device.classifier import Classifier, Prediction
from device.config import DeviceConfig, ModelConfig, SmootherConfig, TrackerConfig
from device.detector import Detection
from device.errors import ConfigError, ModelError
from device.events import EmotionEvent
from device.pipeline import Observation, Pipeline, StageTimings, from_config
from device.preprocess import Box
from device.smoother import UNKNOWN, make_smoother
from device.tracker import Tracker
from tests.fixtures.clips import Image, scene, write_clip
from tests.fixtures.tiny_models import LABELS, tiny_face, write_tiny

FPS = 10.0
EMPTY = scene([])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.tflite", temperature=0.2)


@pytest.fixture
def pipeline(model: Path) -> Pipeline:
    return from_config(DeviceConfig(model=ModelConfig(path=str(model))))


def film(images: Iterable[Image]) -> Iterator[Frame]:
    for n, image in enumerate(images):
        yield Frame(image, n, n / FPS, 1_800_000_000 + n / FPS)


def play(pipeline: Pipeline, images: Iterable[Image]) -> list[Observation]:
    return [pipeline.process(frame) for frame in film(images)]


def said(observations: Iterable[Observation]) -> list[EmotionEvent]:
    return [event for seen in observations for event in seen.events]


# ---- real pictures


def test_a_face_comes_is_read_and_leaves(pipeline: Pipeline) -> None:
    here = [scene([(100 + 3 * n, 100, 250)]) for n in range(20)]
    observations = play(pipeline, here + [EMPTY] * 15)
    start, *updates, end = said(observations)
    assert (start.type, start.track, start.emotion, start.previous, start.seq) == ("start", 1, UNKNOWN, None, None)
    assert start.ts == pytest.approx(1_800_000_000 + 2 / FPS)
    assert start.box is not None
    assert Box(*start.box).iou(Box(200, 165, 105, 105)) > 0.6
    assert [event.type for event in updates] == ["update"]
    assert updates[0].previous == UNKNOWN
    assert updates[0].emotion in LABELS
    assert set(updates[0].scores) == set(LABELS)
    assert (end.type, end.track, end.emotion, end.box) == ("end", 1, updates[0].emotion, None)
    assert end.ts == pytest.approx(1_800_000_000 + 29 / FPS)  # last seen on frame 19, held for a second
    assert len({event.id for event in (start, *updates, end)}) == 3
    assert pipeline.finish() == []


def test_what_is_seen_is_told_with_every_frame(pipeline: Pipeline) -> None:
    seen = play(pipeline, [scene([(40, 100, 200), (350, 150, 250)])] * 10)[-1]
    assert [face.track.id for face in seen.faces] == [1, 2]
    states = seen.states()
    assert [state.track for state in states] == [1, 2]
    assert states[0].ts == seen.frame.timestamp
    assert states[0].box == seen.faces[0].track.box
    assert sum(states[0].scores.values()) == pytest.approx(1)
    assert states[0].emotion == seen.faces[0].reading.emotion


def test_finishing_ends_who_is_left(pipeline: Pipeline) -> None:
    observations = play(pipeline, [scene([(100, 100, 250)])] * 5)
    (end,) = pipeline.finish()
    assert (end.type, end.track, end.ts) == ("end", 1, observations[-1].frame.timestamp)
    assert pipeline.finish() == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 501, 3), (40, 40, 4)])
def test_frames_of_any_shape_are_survived(pipeline: Pipeline, shape: tuple[int, ...]) -> None:
    assert said(play(pipeline, [np.zeros(shape, np.uint8)] * 3)) == []


def test_every_stage_is_timed(pipeline: Pipeline) -> None:
    play(pipeline, [scene([(100, 100, 250)])] * 6)
    stages = pipeline.timings.stages()
    assert set(stages) == {"detect", "track", "classify", "smooth", "total"}
    assert all(stage.n == 6 and 0 <= stage.p50_ms <= stage.p95_ms <= stage.max_ms for stage in stages.values())


# ---- faces drawn for the tiny network, detected by script


class Script:
    """Finds, on each frame, what the script says."""

    def __init__(self, script: Iterable[list[Box]]) -> None:
        self._script = iter(script)

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        return [Detection(box, 0.9) for box in next(self._script)]


class Counting(Classifier):
    """Remembers how many faces came in each call."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls: list[int] = []

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        self.calls.append(len(faces))
        return super().classify(faces)


PLACES = [Box(50.0 + 150 * n, 100, 80, 80) for n in range(4)]


def drawn(labels: Iterable[int], classifier: Classifier) -> Image:
    """A frame with a face for each place, where the chain will cut it."""
    frame = np.zeros((400, 700), np.uint8)
    margin = classifier.card.crop_margin
    for place, label in zip(PLACES, labels, strict=False):
        side = round(margin.scale * 80)
        x = round(place.x + 40 - margin.scale * 40)
        y = round(place.y + 40 - margin.up * 80 - margin.scale * 40)
        frame[y : y + side, x : x + side] = tiny_face(label, size=side)
    return frame


def test_all_faces_of_a_frame_are_read_in_one_call_each_as_its_own(model: Path) -> None:
    classifier = Counting(model)
    boxes = [PLACES, PLACES, PLACES, *[PLACES[::-1]] * 20]
    chain = Pipeline(Script(boxes), Tracker(TrackerConfig()), classifier, make_smoother(SmootherConfig(), LABELS))
    observations = play(chain, [drawn([0, 3, 5, 6], classifier)] * len(boxes))
    assert classifier.calls == [4] * (len(boxes) - 2)  # no call while nobody is confirmed
    read = {face.track.box.x: face.reading.emotion for face in observations[-1].faces}
    assert [read[place.x] for place in PLACES] == ["angry", "happy", "surprise", "neutral"]


def test_a_changed_expression_is_one_update(model: Path) -> None:
    classifier = Classifier(model)
    chain = Pipeline(
        Script(itertools.repeat(PLACES[:1])),
        Tracker(TrackerConfig()),
        classifier,
        make_smoother(SmootherConfig(), LABELS),
    )
    events = said(play(chain, [drawn([3], classifier)] * 20 + [drawn([0], classifier)] * 20))
    assert [(event.type, event.emotion) for event in events] == [
        ("start", UNKNOWN),
        ("update", "happy"),
        ("update", "angry"),
    ]
    assert [event.previous for event in events] == [None, UNKNOWN, "happy"]


# ---- building, and figures


def test_from_config_passes_refusals_on(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        from_config(DeviceConfig(model=ModelConfig(path=str(tmp_path / "absent.tflite"))))
    with pytest.raises(ConfigError, match="leave"):
        from_config(DeviceConfig(model=ModelConfig(path=str(model)), smoother=SmootherConfig(enter=0.2, leave=0.9)))


def test_figures_stand_on_the_latest_runs() -> None:
    timings = StageTimings(latest=100)
    for n in range(1000):
        timings.add("detect", n / 1000)
    figures = timings.stages()["detect"]
    assert (figures.n, figures.max_ms) == (100, pytest.approx(999))
    assert figures.p50_ms == pytest.approx(949.5)
    assert figures.p95_ms == pytest.approx(994.05)
    timings.reset()
    assert timings.stages() == {}


def test_a_run_that_fails_is_not_timed() -> None:
    timings = StageTimings()
    with pytest.raises(ZeroDivisionError), timings.measure("detect"):
        _ = 1 // 0
    assert timings.stages() == {}


def test_the_process_stays_under_150_mb(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [scene([(60 + 2 * n, 100, 250)]) for n in range(30)])
    script = f"""
from pathlib import Path
from device.camera import open_camera
from device.config import CameraConfig, DeviceConfig, ModelConfig
from device.pipeline import from_config
config = DeviceConfig(camera=CameraConfig({str(clip)!r}, fast=True), model=ModelConfig({str(model)!r}))
pipeline = from_config(config)
with open_camera(config.camera) as camera:
    print(sum(len(pipeline.process(frame).faces) for frame in camera))
# not ru_maxrss, which counts what the test process had before it became this one
print(next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM")) * 1024 / 1e6)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    faces, megabytes = map(float, ran.stdout.split())
    assert faces == 28
    assert megabytes < 150
