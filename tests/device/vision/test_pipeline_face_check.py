"""The pipeline with its second look: real networks, the portrait however tilted, other things."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import DeviceConfig, FaceCheckConfig, ModelConfig, PipelineConfig, ReadingConfig
from device.inference.box import Box
from device.inference.classifier import Classifier, Prediction
from device.inference.preprocess import crop_face, face_square, to_grey
from device.vision.face_check import FaceChecker
from device.vision.landmarks import LandmarkNetwork
from device.vision.pipeline import Pipeline, from_config
from device.vision.smoother import make_smoother
from device.vision.time_budget import Budget
from device.vision.tracker import Tracker
from tests.support.clips import FACE_BOX, Image, portrait, rotated, scene, things
from tests.support.scripted_detector import ScriptedDetector, events_of, play
from tests.support.tiny_models import LABELS, write_tiny

UNLIMITED = PipelineConfig(budget_ms=None)
THERE = Box(70, 70, 110, 110)  # where `things` are drawn


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.tflite", temperature=0.2)


class Keeping(Classifier):
    """Keeps the faces that it classified."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.faces: list[NDArray[np.uint8]] = []

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        self.faces += list(faces)
        return super().classify(faces)


def checked(model: Path, box: Box) -> tuple[Pipeline, Keeping]:
    """A pipeline whose detector finds a face in this box on every frame."""
    config = DeviceConfig(pipeline=UNLIMITED)
    classifier, budget = Keeping(model), Budget(config.pipeline)
    checker = FaceChecker(LandmarkNetwork(), config.face_check, budget)
    tracker = Tracker(config.tracker, checker.verdict)
    smoother = make_smoother(config.smoother, LABELS)
    detector = ScriptedDetector(itertools.repeat([box]))
    reading = ReadingConfig(views=False)
    return Pipeline(detector, tracker, classifier, smoother, budget, checker=checker, reading=reading), classifier


@pytest.mark.parametrize("name", things())
def test_what_is_no_face_never_speaks(model: Path, name: str) -> None:
    pipeline, classifier = checked(model, THERE)
    observations = play(pipeline, [things()[name]] * 60)
    assert events_of(observations) == []
    assert not any(seen.faces or seen.states() for seen in observations)
    assert classifier.faces == []
    assert pipeline.timings.stages()["check"].n == 60
    assert pipeline.finish() == []


def test_a_face_that_comes_where_none_was_speaks(model: Path) -> None:
    pipeline, _ = checked(model, FACE_BOX)
    empty = np.full_like(portrait(), 100)
    events = events_of(play(pipeline, [empty] * 30 + [portrait()] * 20))
    assert [(event.type, event.track) for event in events if event.type != "update"] == [("start", 1)]


def test_a_face_is_reported_as_early_as_without_the_check(model: Path) -> None:
    settings = DeviceConfig(model=ModelConfig(path=str(model)), pipeline=UNLIMITED)
    off = dataclasses.replace(settings, face_check=FaceCheckConfig(enabled=False))
    images = [scene([(100, 100, 250)])] * 5
    first = [[len(seen.faces) for seen in play(from_config(each), images)] for each in (settings, off)]
    assert first == [[0, 0, 1, 1, 1]] * 2


def test_off_means_no_check(model: Path) -> None:
    off = FaceCheckConfig(enabled=False)
    pipeline = from_config(DeviceConfig(model=ModelConfig(path=str(model)), pipeline=UNLIMITED, face_check=off))
    play(pipeline, [scene([(100, 100, 250)])] * 5)
    assert set(pipeline.timings.stages()) == {"detect", "track", "classify", "smooth", "total"}


@pytest.mark.parametrize("degrees", [-30, 30])
def test_the_crop_of_a_tilted_head_is_upright(model: Path, degrees: int) -> None:
    image, box = rotated(degrees)
    pipeline, classifier = checked(model, box)
    play(pipeline, [image] * 12)
    margin, size = classifier.card.crop_margin, classifier.card.input.size
    upright = crop_face(to_grey(portrait()), face_square(FACE_BOX, margin), size)
    tilted = crop_face(to_grey(image), face_square(box, margin), size)
    assert likeness(classifier.faces[-1], upright) > 0.9 > likeness(tilted, upright) + 0.2


def test_an_upright_head_is_not_turned(model: Path) -> None:
    pipeline, classifier = checked(model, FACE_BOX)
    play(pipeline, [portrait()] * 5)
    margin, size = classifier.card.crop_margin, classifier.card.input.size
    assert np.array_equal(classifier.faces[-1], crop_face(to_grey(portrait()), face_square(FACE_BOX, margin), size))


def test_a_face_that_becomes_something_else_ends(model: Path) -> None:
    pipeline, _ = checked(model, FACE_BOX)
    hidden = np.full_like(portrait(), 100)
    events = events_of(play(pipeline, [portrait()] * 10 + [hidden] * 60))
    assert [event.type for event in events if event.type != "update"] == ["start", "end"]
    assert pipeline.finish() == []


def likeness(one: Image, other: Image) -> float:
    """Correlation of two crops, of one smoothed so that a shift by a pixel does not count."""
    blurred = [cv2.GaussianBlur(image, (0, 0), 1.5).astype(float).ravel() for image in (one, other)]
    return float(np.corrcoef(np.stack(blurred))[0, 1])
