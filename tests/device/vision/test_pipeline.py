"""From frames to events: real detector, real runtime, a tiny network, a public-domain portrait."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import DeviceConfig, ModelConfig, PipelineConfig, SmootherConfig, TrackerConfig
from device.errors import ConfigError, ModelError
from device.inference.box import Box
from device.inference.classifier import Classifier, Prediction
from device.messages import UNKNOWN
from device.vision.pipeline import Pipeline, from_config
from device.vision.smoother import make_smoother
from device.vision.tracker import Tracker
from tests.support.clips import Image, scene, write_clip
from tests.support.scripted_detector import FPS, ScriptedDetector, events_of, play
from tests.support.tiny_models import LABELS, tiny_face, write_tiny

UNLIMITED = PipelineConfig(budget_ms=None)
EASY = SmootherConfig(enter=0.5)  # the tiny network is never very sure of a real face
EMPTY = scene([])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.tflite", temperature=0.2)


@pytest.fixture
def pipeline(model: Path) -> Pipeline:
    return from_config(DeviceConfig(model=ModelConfig(path=str(model)), pipeline=UNLIMITED, smoother=EASY))


# ---- real pictures


def test_a_face_comes_is_classified_and_leaves(pipeline: Pipeline) -> None:
    here = [scene([(100 + 3 * n, 100, 250)]) for n in range(20)]
    observations = play(pipeline, here + [EMPTY] * 15)
    start, *updates, end = events_of(observations)
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


def test_every_observation_has_the_states_of_its_faces(pipeline: Pipeline) -> None:
    seen = play(pipeline, [scene([(40, 100, 200), (350, 150, 250)])] * 10)[-1]
    assert [face.track.id for face in seen.faces] == [1, 2]
    states = seen.states()
    assert [state.track for state in states] == [1, 2]
    assert states[0].ts == seen.frame.timestamp
    assert states[0].box == seen.faces[0].track.box
    assert sum(states[0].scores.values()) == pytest.approx(1)
    assert states[0].emotion == seen.faces[0].reading.emotion


def test_finish_ends_the_tracks_that_are_left(pipeline: Pipeline) -> None:
    observations = play(pipeline, [scene([(100, 100, 250)])] * 5)
    (end,) = pipeline.finish()
    assert (end.type, end.track, end.ts) == ("end", 1, observations[-1].frame.timestamp)
    assert pipeline.finish() == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 501, 3), (40, 40, 4)])
def test_frames_of_any_shape_are_accepted(pipeline: Pipeline, shape: tuple[int, ...]) -> None:
    assert events_of(play(pipeline, [np.zeros(shape, np.uint8)] * 3)) == []


def test_every_stage_is_timed(pipeline: Pipeline) -> None:
    play(pipeline, [scene([(100, 100, 250)])] * 6)
    stages = pipeline.timings.stages()
    assert set(stages) == {"detect", "track", "check", "classify", "smooth", "total"}
    assert all(stage.n == 6 and 0 <= stage.p50_ms <= stage.p95_ms <= stage.max_ms for stage in stages.values())


# ---- faces drawn for the tiny network, detected by a script


class Counting(Classifier):
    """Records how many faces came in each call."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls: list[int] = []

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        self.calls.append(len(faces))
        return super().classify(faces)


PLACES = [Box(50.0 + 150 * n, 100, 80, 80) for n in range(4)]


def drawn(labels: Iterable[int], classifier: Classifier) -> Image:
    """A frame with a face for each place, where the pipeline crops it."""
    frame = np.zeros((400, 700), np.uint8)
    margin = classifier.card.crop_margin
    for place, label in zip(PLACES, labels, strict=False):
        side = round(margin.scale * 80)
        x = round(place.x + 40 - margin.scale * 40)
        y = round(place.y + 40 - margin.up * 80 - margin.scale * 40)
        frame[y : y + side, x : x + side] = tiny_face(label, size=side)
    return frame


def test_all_faces_of_a_frame_are_classified(model: Path) -> None:
    classifier = Counting(model)
    boxes = [PLACES, PLACES, PLACES, *[PLACES[::-1]] * 20]
    pipeline = Pipeline(
        ScriptedDetector(boxes), Tracker(TrackerConfig()), classifier, make_smoother(SmootherConfig(), LABELS)
    )
    observations = play(pipeline, [drawn([0, 3, 5, 6], classifier)] * len(boxes))
    assert classifier.calls == [1] * 4 * (len(boxes) - 2)  # none while nobody is confirmed
    read = {face.track.box.x: face.reading.emotion for face in observations[-1].faces}
    assert [read[place.x] for place in PLACES] == ["angry", "happy", "surprise", "neutral"]


def test_a_changed_expression_is_one_update(model: Path) -> None:
    classifier = Classifier(model)
    pipeline = Pipeline(
        ScriptedDetector(itertools.repeat(PLACES[:1])),
        Tracker(TrackerConfig()),
        classifier,
        # Others pass through unknown.
        make_smoother(SmootherConfig(stay_s=2.0, time_constant_s=0.7, leave=0.2), LABELS),
    )
    events = events_of(play(pipeline, [drawn([3], classifier)] * 20 + [drawn([0], classifier)] * 20))
    assert [(event.type, event.emotion) for event in events] == [
        ("start", UNKNOWN),
        ("update", "happy"),
        ("update", "angry"),
    ]
    assert [event.previous for event in events] == [None, UNKNOWN, "happy"]


# ---- from_config


def test_from_config_raises_the_errors_of_model_and_smoother(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        from_config(DeviceConfig(model=ModelConfig(path=str(tmp_path / "absent.tflite"))))
    with pytest.raises(ConfigError, match="leave"):
        from_config(DeviceConfig(model=ModelConfig(path=str(model)), smoother=SmootherConfig(enter=0.2, leave=0.9)))


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
