"""The chain from frames to events: real detector, real runtime, a tiny network, the public-domain portrait."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import DeviceConfig, ModelConfig, PipelineConfig, SmootherConfig, TrackerConfig
from device.errors import ConfigError, ModelError
from device.inference.box import Box
from device.inference.classifier import Classifier, Prediction
from device.messages import UNKNOWN, EmotionEvent
from device.vision.detection import Detection
from device.vision.observation import Observation
from device.vision.pipeline import Pipeline, from_config
from device.vision.smoother import make_smoother
from device.vision.tiling import Tile, views
from device.vision.time_budget import Budget
from device.vision.timings import StageTimings
from device.vision.tracker import Tracker
from tests.support.clips import Image, portrait, scene, write_clip
from tests.support.clock import Clock
from tests.support.tiny_models import LABELS, tiny_face, write_tiny

FPS = 10.0
UNLIMITED = PipelineConfig(budget_ms=None)
EASY = SmootherConfig(enter=0.5)  # the tiny network is never very sure of a real face
EMPTY = scene([])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.tflite", temperature=0.2)


@pytest.fixture
def pipeline(model: Path) -> Pipeline:
    return from_config(DeviceConfig(model=ModelConfig(path=str(model)), pipeline=UNLIMITED, smoother=EASY))


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

    def views(self, width: int, height: int) -> list[Tile]:
        return views(width, height, "whole", 0)

    def look(self, image: NDArray[np.uint8], parts: Iterable[Tile]) -> list[Detection]:
        return [found for _ in parts for found in self.detect(image)]

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


def test_all_faces_of_a_frame_are_read_each_as_its_own(model: Path) -> None:
    classifier = Counting(model)
    boxes = [PLACES, PLACES, PLACES, *[PLACES[::-1]] * 20]
    chain = Pipeline(Script(boxes), Tracker(TrackerConfig()), classifier, make_smoother(SmootherConfig(), LABELS))
    observations = play(chain, [drawn([0, 3, 5, 6], classifier)] * len(boxes))
    assert classifier.calls == [1] * 4 * (len(boxes) - 2)  # none while nobody is confirmed
    read = {face.track.box.x: face.reading.emotion for face in observations[-1].faces}
    assert [read[place.x] for place in PLACES] == ["angry", "happy", "surprise", "neutral"]


def test_a_changed_expression_is_one_update(model: Path) -> None:
    classifier = Classifier(model)
    chain = Pipeline(
        Script(itertools.repeat(PLACES[:1])),
        Tracker(TrackerConfig()),
        classifier,
        # Others pass through unknown.
        make_smoother(SmootherConfig(stay_s=2.0, time_constant_s=0.7, leave=0.2), LABELS),
    )
    events = said(play(chain, [drawn([3], classifier)] * 20 + [drawn([0], classifier)] * 20))
    assert [(event.type, event.emotion) for event in events] == [
        ("start", UNKNOWN),
        ("update", "happy"),
        ("update", "angry"),
    ]
    assert [event.previous for event in events] == [None, UNKNOWN, "happy"]


# ---- thirty faces, and a clock that only work moves on

LOOK_S, READ_S = 0.008, 0.002
CROWD = [Box(60.0 * (n % 10), 60.0 * (n // 10), 50, 50) for n in range(30)]
ROOM = np.asarray(cv2.resize(portrait(), (620, 200)), np.uint8)  # something for the flow to hold on to


class SlowLook(Script):
    """A look takes 8 ms."""

    def __init__(self, clock: Clock, script: Iterable[list[Box]]) -> None:
        super().__init__(script)
        self._clock = clock

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        self._clock.now_s += LOOK_S
        return super().detect(image)


class SlowRead(Classifier):
    """A face takes 2 ms."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path)
        self._clock = clock

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        self._clock.now_s += READ_S * len(faces)
        return super().classify(faces)


class Crowd:
    """A chain before thirty faces, and what each frame cost it."""

    def __init__(self, model: Path, budget_ms: float | None, hot: bool = False) -> None:
        self.clock = Clock()
        self.budget = Budget(PipelineConfig(budget_ms=budget_ms, hot_share=0.5), self.clock, lambda: hot)
        self.chain = Pipeline(
            SlowLook(self.clock, itertools.repeat(CROWD)),
            Tracker(TrackerConfig()),
            SlowRead(model, self.clock),
            make_smoother(SmootherConfig(), LABELS),
            self.budget,
        )

    def costs_ms(self, frames: int = 100) -> list[float]:
        costs = []
        for frame in film([ROOM] * frames):
            began_s = self.clock.now_s
            assert len(self.chain.process(frame).faces) in (0, 30)
            costs.append(1000 * (self.clock.now_s - began_s))
        return costs


def test_thirty_faces_cost_no_more_than_the_budget_and_each_is_read_at_a_known_rate(model: Path) -> None:
    crowd = Crowd(model, 30.0)
    costs = crowd.costs_ms()
    assert max(costs[5:]) <= 30.0
    assert costs[-1] == pytest.approx(26)  # one look, and nine faces
    reads = crowd.chain.face_reads()
    assert reads is not None
    assert reads.rate_hz == pytest.approx(FPS * 9 / 30, rel=0.1)
    assert reads.longest_wait_s <= 2 * 4 / FPS  # twice what strict turns would make


def test_without_a_budget_all_are_read_on_every_frame(model: Path) -> None:
    crowd = Crowd(model, None)
    assert crowd.costs_ms(10)[-1] == pytest.approx(68)
    reads = crowd.chain.face_reads()
    assert reads is not None and reads.rate_hz == pytest.approx(FPS)


def test_a_hot_board_reads_less_often_and_nobody_otherwise(model: Path) -> None:
    hot, cool = Crowd(model, 40.0, hot=True), Crowd(model, 40.0)
    assert (max(hot.costs_ms()[5:]), max(cool.costs_ms()[5:])) <= (20.0, 40.0)
    rates = [reads.rate_hz for reads in (hot.chain.face_reads(), cool.chain.face_reads()) if reads]
    assert rates[0] < 0.5 * rates[1]


def test_a_budget_too_small_for_a_look_and_a_face_takes_them_in_turn(model: Path) -> None:
    crowd = Crowd(model, 9.0)
    costs = crowd.costs_ms()
    assert max(costs[5:]) <= 9.0
    assert set(np.round(costs[-6:])) == {8.0}  # a look, or four faces
    reads = crowd.chain.face_reads()
    assert reads is not None and reads.rate_hz == pytest.approx(FPS * 4 / 2 / 30, rel=0.2)


def test_even_a_budget_of_nothing_looks_and_reads(model: Path) -> None:
    crowd = Crowd(model, 0.001)
    crowd.costs_ms()
    assert crowd.chain.face_reads() is not None


def test_faces_that_cannot_be_read_take_no_time(model: Path) -> None:
    clock = Clock()
    small = [box._replace(width=25, height=25) for box in CROWD]
    chain = Pipeline(
        SlowLook(clock, itertools.repeat(small)),
        Tracker(TrackerConfig()),
        SlowRead(model, clock),
        make_smoother(SmootherConfig(min_face_px=32), LABELS),
    )
    observations = play(chain, [ROOM] * 10)
    assert clock.now_s == pytest.approx(10 * LOOK_S)
    assert {face.reading.emotion for face in observations[-1].faces} == {UNKNOWN}
    assert len(observations[-1].faces) == 30
    assert chain.face_reads() is None


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
from device.config import CameraConfig, DeviceConfig, ModelConfig, PipelineConfig
from device.vision.pipeline import from_config
camera = CameraConfig({str(clip)!r}, fast=True)
config = DeviceConfig(camera=camera, model=ModelConfig({str(model)!r}), pipeline=PipelineConfig(budget_ms=None))
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
