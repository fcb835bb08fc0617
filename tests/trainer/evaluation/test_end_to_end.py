"""The chain with a real face and detector: the pasted face is found, cropped and classified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from device.demo.clip import PORTRAIT
from device.inference.box import Box
from device.inference.model_card import CropMargin
from device.inference.preprocess import crop_face, face_square, to_grey
from device.vision.detection import Detector
from tests.support.clips import rotated
from tests.support.tiny_models import LABELS as TINY_LABELS
from tests.support.tiny_models import write_tiny
from trainer.artifacts.predictor import ModelFileReader
from trainer.data.dataset import LABELS, FaceSet
from trainer.evaluation.end_to_end import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    MIN_FOUND,
    crop_found,
    find,
    fit_margin,
    margin_between,
    open_face_detector,
    open_landmark_network,
    place_face,
    read_through,
)

MARGIN = CropMargin(1.3, 0.1)  # by which the test's faces are cut


@pytest.fixture(scope="module")
def detector() -> Detector:
    return open_face_detector()


@pytest.fixture(scope="module")
def faces(detector: Detector) -> FaceSet:
    """The astronaut's face as training faces in different light, enough of them for a margin."""
    grey = to_grey(np.asarray(cv2.imread(str(PORTRAIT)), np.uint8))
    box = detector.detect(grey)[0].box
    face = crop_face(grey, face_square(box, MARGIN), 48).astype(np.float32)
    lights = np.linspace(0.6, 1.2, 60)[:, np.newaxis, np.newaxis]
    images = np.clip(face * lights, 0, 255).astype(np.uint8)
    return FaceSet(images, np.full(len(images), LABELS.index("happy"), np.int64))


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("size", [160, 240, 480])
def test_a_face_is_placed_whole_and_found(faces: FaceSet, detector: Detector, size: int, index: int) -> None:
    placed = place_face(faces.images[40], size, index)
    square = placed.square
    assert placed.frame.shape == (FRAME_HEIGHT, FRAME_WIDTH) and placed.frame.dtype == np.uint8
    assert 0 <= square.x <= FRAME_WIDTH - size and 0 <= square.y <= FRAME_HEIGHT - size
    assert square.width == square.height == size
    cropped = crop_face(placed.frame, square, 48)
    assert np.abs(cropped.astype(int) - faces.images[40]).mean() < 4
    box = find(detector, placed)
    assert box is not None and 0.4 * size < box.width < 1.1 * size


def test_backgrounds_take_turns_and_repeat(faces: FaceSet) -> None:
    frames = [place_face(faces.images[0], 100, index).frame for index in range(3)]
    corners = [frame[:40, :40].astype(float).std() for frame in frames]
    assert corners[0] == 0 and corners[2] > 20  # plain, gradient, noise
    assert (place_face(faces.images[0], 100, 2).frame == frames[2]).all()


def test_a_face_that_is_not_there_is_not_found(detector: Detector) -> None:
    grey: NDArray[np.uint8] = np.full((48, 48), 128, np.uint8)
    assert find(detector, place_face(grey, 200, 0)) is None


def test_the_margin_of_the_crop_is_recovered(faces: FaceSet, detector: Detector) -> None:
    fit = fit_margin(faces.images, detector)
    assert fit.measured and fit.boxes >= MIN_FOUND
    assert fit.margin.scale == pytest.approx(MARGIN.scale, abs=0.1)
    assert fit.margin.up == pytest.approx(MARGIN.up, abs=0.05)


def test_too_few_faces_leave_the_usual_margin(faces: FaceSet, detector: Detector) -> None:
    fit = fit_margin(faces.images[:3], detector)
    assert not fit.measured and fit.boxes <= 6 and fit.margin == CropMargin()


def test_a_tilted_head_is_cropped_upright() -> None:
    """As on the device; the crop without the turn differs much more from the upright one."""
    network = open_landmark_network()
    crops = []
    for degrees in (0, 25):
        image, box = rotated(degrees)
        grey = to_grey(image)
        crops.append(crop_found(grey, box, MARGIN, 48, network).astype(int))
    as_held = crop_face(grey, face_square(box, MARGIN), 48).astype(int)
    upright, turned = crops
    assert np.abs(turned - upright).mean() < 0.5 * np.abs(as_held - upright).mean()


@given(
    st.floats(20, 300), st.floats(-50, 600), st.floats(-50, 400), st.floats(1.0, 1.6), st.floats(-0.3, 0.3)
)  # fmt: skip
def test_fit_is_the_inverse_of_face_square(side: float, x: float, y: float, scale: float, up: float) -> None:
    box = Box(x, y, side, side)
    assert margin_between(box, face_square(box, CropMargin(scale, up))) == pytest.approx((scale, up), abs=1e-6)


def test_scores_by_size(faces: FaceSet, detector: Detector, tmp_path: Path) -> None:
    """The labels are the tiny network's own predictions, so that its direct accuracy is 1."""
    reader = ModelFileReader(write_tiny(tmp_path / "tiny.tflite", crop_margin=MARGIN))
    assert reader.labels == TINY_LABELS == LABELS and reader.margin == MARGIN
    few = faces.take(slice(30, 45))
    own = replace(few, labels=reader.logits(few.images).argmax(1))
    large, small = (read_through(reader, detector, own, size) for size in (240, 30))
    assert large["faces_pasted"] == 15 and large["detected"] == 1.0
    assert large["accuracy_direct"] == 1.0
    assert large["points_lost"] == pytest.approx(100 * (1 - large["accuracy_through_detector"]))
    assert large["accuracy_through_detector"] > 0.8
    assert small["detected"] == 0 and small["accuracy_through_detector"] is None and small["points_lost"] is None
