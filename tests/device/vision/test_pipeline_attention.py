"""The pipeline with attention: real networks, the portrait with its eyes open and closed."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks import turned_portrait
from benchmarks.turned_portrait import FACE_BOX, Image
from device.config.schema import AttentionConfig, DeviceConfig, ModelConfig, PipelineConfig
from device.messages import EmotionEvent
from device.vision.face_check import FaceChecker
from device.vision.landmarks import LandmarkNetwork
from device.vision.pipeline import Pipeline, from_config
from scripts.training.closed_eyes import close_eyes
from tests.support.scripted_detector import ScriptedDetector, events_of, play
from tests.support.tiny_models import write_tiny

ON = AttentionConfig(enabled=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.tflite", temperature=0.2)


def pipeline(model: Path, attention: AttentionConfig) -> Pipeline:
    """As the settings make it, with a detector that finds the portrait on every frame."""
    unlimited = PipelineConfig(budget_ms=None)
    made = from_config(DeviceConfig(model=ModelConfig(path=str(model)), pipeline=unlimited, attention=attention))
    made._tile_scheduler._detector = ScriptedDetector(itertools.repeat([FACE_BOX]))
    return made


def portraits() -> tuple[Image, Image]:
    image, points = turned_portrait.load(LandmarkNetwork())
    return image, close_eyes(image, points, 1.0)


def kinds(events: list[EmotionEvent]) -> list[tuple[str, str]]:
    named = [(event.type, f"{event.alert.kind} {event.alert.phase}" if event.alert else "") for event in events]
    return [each for each in named if each[0] != "update"]


def test_closed_eyes_are_an_alert_of_their_track(model: Path) -> None:
    opened, closed = portraits()
    running = pipeline(model, ON)
    events = events_of(play(running, [opened] * 10 + [closed] * 15 + [opened] * 10))
    assert kinds(events) == [("start", ""), ("attention", "eyes_closed start"), ("attention", "eyes_closed end")]
    alert = events[[event.type for event in events].index("attention")]
    assert alert.attention is not None and alert.attention.eyes_closed is True
    assert alert.box is not None and alert.scores and alert.alert is not None
    assert alert.alert.duration_s == pytest.approx(0.6, abs=0.11)
    assert kinds(running.finish()) == [("end", "")]


def test_a_track_that_leaves_ends_its_alerts_first(model: Path) -> None:
    opened, closed = portraits()
    running = pipeline(model, ON)
    play(running, [opened] * 10 + [closed] * 15)
    last = running.finish()
    assert kinds(last) == [("attention", "eyes_closed end"), ("end", "")]
    assert [event.box for event in last] == [None, None]
    assert running.finish() == []


def test_states_carry_attention_only_where_it_is_on(model: Path) -> None:
    opened, _ = portraits()
    for attention in (AttentionConfig(), ON):
        last = play(pipeline(model, attention), [opened] * 10)[-1].states()
        assert [state.attention is not None for state in last] == [attention.enabled]


def test_a_face_is_looked_at_once_in_the_interval(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    see = FaceChecker._see

    def counted(self: FaceChecker, image: Image, track: object, time_s: float) -> tuple[float, float]:
        looks.append(time_s)
        return see(self, image, track, time_s)  # type: ignore[arg-type]

    monkeypatch.setattr(FaceChecker, "_see", counted)
    opened, _ = portraits()
    for interval_s in (0.2, 0.5):
        looks.clear()
        play(pipeline(model, dataclasses.replace(ON, interval_s=interval_s)), [opened] * 60)
        settled = np.diff([time_s for time_s in looks if time_s > 1.0])
        assert len(settled) > 5 and settled.min() >= interval_s - 1e-6
