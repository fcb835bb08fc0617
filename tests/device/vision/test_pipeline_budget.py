"""The pipeline within its time budget: thirty faces, and a clock that only work moves."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import DeviceConfig, ModelConfig, PipelineConfig, SmootherConfig, TrackerConfig
from device.inference.box import Box
from device.inference.classifier import Classifier, Prediction
from device.messages import UNKNOWN
from device.vision.detection import Detection
from device.vision.pipeline import Pipeline, from_config
from device.vision.smoother import make_smoother
from device.vision.time_budget import Budget
from device.vision.tracker import Tracker
from tests.support.clips import portrait, scene
from tests.support.clock import Clock
from tests.support.scripted_detector import FPS, ScriptedDetector, frames_from, play
from tests.support.tiny_models import LABELS, write_tiny


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.tflite", temperature=0.2)


DETECT_S, CLASSIFY_S = 0.008, 0.002
BOXES = [Box(60.0 * (n % 10), 60.0 * (n // 10), 50, 50) for n in range(30)]
ROOM = np.asarray(cv2.resize(portrait(), (620, 200)), np.uint8)  # texture for the optical flow


class SlowDetector(ScriptedDetector):
    """A detector that takes 8 ms."""

    def __init__(self, clock: Clock, script: Iterable[list[Box]]) -> None:
        super().__init__(script)
        self._clock = clock

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        self._clock.now_s += DETECT_S
        return super().detect(image)


class SlowClassifier(Classifier):
    """A classifier that takes 2 ms for a face."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path)
        self._clock = clock

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        self._clock.now_s += CLASSIFY_S * len(faces)
        return super().classify(faces)


class ThirtyFaces:
    """A pipeline with thirty faces in view, and the cost of each frame."""

    def __init__(self, model: Path, budget_ms: float | None, hot: bool = False) -> None:
        self.clock = Clock()
        self.budget = Budget(PipelineConfig(budget_ms=budget_ms, hot_share=0.5), self.clock, lambda: hot)
        self.pipeline = Pipeline(
            SlowDetector(self.clock, itertools.repeat(BOXES)),
            Tracker(TrackerConfig()),
            SlowClassifier(model, self.clock),
            make_smoother(SmootherConfig(), LABELS),
            self.budget,
        )

    def costs_ms(self, frames: int = 100) -> list[float]:
        costs = []
        for frame in frames_from([ROOM] * frames):
            began_s = self.clock.now_s
            assert len(self.pipeline.process(frame).faces) in (0, 30)
            costs.append(1000 * (self.clock.now_s - began_s))
        return costs


def test_thirty_faces_stay_within_the_budget_at_a_known_rate(model: Path) -> None:
    faces = ThirtyFaces(model, 30.0)
    costs = faces.costs_ms()
    assert max(costs[5:]) <= 30.0
    assert costs[-1] == pytest.approx(26)  # one tile, and nine faces
    reads = faces.pipeline.face_reads()
    assert reads is not None
    assert reads.rate_hz == pytest.approx(FPS * 9 / 30, rel=0.1)
    assert reads.longest_wait_s <= 2 * 4 / FPS  # twice the wait of a strict rotation


def test_without_a_budget_all_faces_are_classified_on_every_frame(model: Path) -> None:
    faces = ThirtyFaces(model, None)
    assert faces.costs_ms(10)[-1] == pytest.approx(68)
    reads = faces.pipeline.face_reads()
    assert reads is not None and reads.rate_hz == pytest.approx(FPS)


def test_a_throttled_board_classifies_less_often(model: Path) -> None:
    hot, cool = ThirtyFaces(model, 40.0, hot=True), ThirtyFaces(model, 40.0)
    assert (max(hot.costs_ms()[5:]), max(cool.costs_ms()[5:])) <= (20.0, 40.0)
    rates = [reads.rate_hz for reads in (hot.pipeline.face_reads(), cool.pipeline.face_reads()) if reads]
    assert rates[0] < 0.5 * rates[1]


def test_a_budget_too_small_for_both_alternates_tiles_and_faces(model: Path) -> None:
    faces = ThirtyFaces(model, 9.0)
    costs = faces.costs_ms()
    assert max(costs[5:]) <= 9.0
    assert set(np.round(costs[-6:])) == {8.0}  # one tile, or four faces
    reads = faces.pipeline.face_reads()
    assert reads is not None and reads.rate_hz == pytest.approx(FPS * 4 / 2 / 30, rel=0.2)


def test_the_smallest_budget_still_detects_and_classifies(model: Path) -> None:
    faces = ThirtyFaces(model, 0.001)
    faces.costs_ms()
    assert faces.pipeline.face_reads() is not None


def test_faces_too_small_to_classify_take_no_time(model: Path) -> None:
    clock = Clock()
    small = [box._replace(width=25, height=25) for box in BOXES]
    pipeline = Pipeline(
        SlowDetector(clock, itertools.repeat(small)),
        Tracker(TrackerConfig()),
        SlowClassifier(model, clock),
        make_smoother(SmootherConfig(min_face_px=32), LABELS),
    )
    observations = play(pipeline, [ROOM] * 10)
    assert clock.now_s == pytest.approx(10 * DETECT_S)
    assert {face.reading.emotion for face in observations[-1].faces} == {UNKNOWN}
    assert len(observations[-1].faces) == 30
    assert pipeline.face_reads() is None


def test_the_budget_counts_the_time_of_the_given_clock(model: Path) -> None:
    """One that jumps a second at each reading leaves time for one tile of two, or for one face."""
    picture = scene([(60, 100, 200), (380, 100, 200)], width=640, height=480)
    seen = []
    for step_s in (0.0, 1.0):
        pipeline = from_config(
            DeviceConfig(model=ModelConfig(path=str(model))), clock=partial(next, itertools.count(0.0, step_s))
        )
        frames = [len(pipeline.process(frame).faces) for frame in frames_from([picture] * 3)]
        seen.append(frames)
    assert seen[0] == [0, 0, 2] and seen[1] == [0, 0, 0]
