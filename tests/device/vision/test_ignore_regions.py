"""Faces in areas of the frame that the settings leave out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config.schema import DetectorConfig, DeviceConfig, ModelConfig, PipelineConfig, load_config
from device.errors import ConfigError
from device.inference.box import Box
from device.vision.detection import Detection
from device.vision.ignore_regions import outside
from device.vision.pipeline import from_config
from tests.support.clips import scene
from tests.support.scripted_detector import events_of, play
from tests.support.tiny_models import write_tiny

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
SHAPE = (480, 640, 3)


def face(x: float, y: float, side: float = 40) -> Detection:
    """A face with its middle there."""
    return Detection(Box(x - side / 2, y - side / 2, side, side), 0.9)


def test_the_middle_of_a_face_decides() -> None:
    inside, beside = face(300, 100), face(340, 100)
    assert outside([inside, beside], [LEFT], SHAPE) == [beside]
    assert outside([inside, beside], [], SHAPE) == [inside, beside]


def test_a_notch_is_outside() -> None:
    notched = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.2), (0.0, 1.0))
    assert outside([face(320, 400)], [notched], SHAPE) == [face(320, 400)]
    assert outside([face(320, 40)], [notched], SHAPE) == []
    assert outside([face(30, 400)], [notched], SHAPE) == []


@given(st.tuples(*[st.floats(0.05, 0.95)] * 4), st.floats(0, 1), st.floats(0, 1))
def test_a_rectangle_holds_what_is_between_its_sides(sides: tuple[float, ...], x: float, y: float) -> None:
    left, right = sorted(sides[:2])
    top, bottom = sorted(sides[2:])
    region = ((left, top), (right, top), (right, bottom), (left, bottom))
    kept = outside([face(x * 640, y * 480)], [region], SHAPE)
    if left < x < right and top < y < bottom and min(x - left, right - x, y - top, bottom - y) > 1e-6:
        assert kept == []
    if not (left - 1e-6 <= x <= right + 1e-6 and top - 1e-6 <= y <= bottom + 1e-6):
        assert len(kept) == 1


@pytest.mark.parametrize("kind", ["blazeface", "haar"])
def test_no_event_tells_of_an_ignored_face(tmp_path: Path, kind: str) -> None:
    config = DeviceConfig(
        model=ModelConfig(path=str(write_tiny(tmp_path / "tiny.tflite"))),
        pipeline=PipelineConfig(budget_ms=None),
        detector=DetectorConfig(kind=kind),
    )
    poster = [scene([(60, 120, 220), (360, 120, 220)])] * 5
    everybody = events_of(play(from_config(config), poster))
    assert len({event.track for event in everybody}) == 2
    ignoring = dataclasses.replace(config, detector=dataclasses.replace(config.detector, ignore=(LEFT,)))
    (left,) = events_of(play(from_config(ignoring), poster))
    assert left.box is not None and left.box[0] > 320


# ---- the setting


def test_areas_are_written_as_lists(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("device:\n  detector:\n    ignore:\n      - [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n")
    assert load_config(path).detector.ignore == (LEFT,)
    assert load_config(overrides=["device.detector.ignore=[[[0,0],[0.5,0],[0.5,1],[0,1]]]"]).detector.ignore == (LEFT,)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("[[[0, 0], [0.5, 0]]]", "area 1: it has 2 corners"),
        ("[[[0, 0], [0.5, 0], [0.5, 1.5]]]", "the corner [0.5, 1.5] is outside the frame"),
        ("[[[0, 0], [320, 0], [320, 240]]]", "the corner [320, 0] is outside the frame"),
        ("[[[0, 0], [1, 0], [1, 1]], [[0, 0], [0.5, 0.5], [1, 1]]]", "area 2: its corners are on one line"),
        ("[[0, 0], [1, 0], [1, 1]]", "must be a list, each item a list"),
        ("[[[0, 0, 0], [1, 0, 0], [1, 1, 0]]]", "must be a list, each item a list"),
        ("left", "must be a list, each item a list"),
    ],
)
def test_an_area_that_is_none_is_refused(value: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[f"device.detector.ignore={value}"])
    assert sentence in str(caught.value)
