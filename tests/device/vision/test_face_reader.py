"""Faces as the network gets them: steadied, upright, in several views, weighed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import ReadingConfig
from device.inference.box import Box
from device.inference.classifier import Classifier, Prediction
from device.inference.preprocess import crop_face, face_square, to_grey
from device.vision.face_reader import VIEWS, FaceReader
from device.vision.tracker import Track
from tests.support.clips import FACE_BOX, portrait
from tests.support.tiny_models import write_tiny

GREY = to_grey(portrait())
PLAIN = ReadingConfig(views=False, weigh_blur=False, steady_s=0.0)


class Keeping(Classifier):
    """Keeps the faces that it classified."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.faces: list[NDArray[np.uint8]] = []

    def classify(self, faces: NDArray[np.uint8]) -> list[Prediction]:
        self.faces += list(faces)
        return super().classify(faces)


@pytest.fixture
def classifier(tmp_path: Path) -> Keeping:
    return Keeping(write_tiny(tmp_path / "tiny.tflite"))


def track(box: Box = FACE_BOX, id: int = 1) -> Track:
    return Track(id, box, 0.9, 0.0, 0.0, 3)


def read(reader: FaceReader, frames: int, roll_deg: float = 0.0, box: Box = FACE_BOX) -> list[float]:
    """Weights of as many readings."""
    weights = []
    for n in range(frames):
        reader.see([track(box)], n / 15)
        weights.append(reader.read(GREY, track(box), roll_deg, n / 15).weight)
    return weights


def test_plain_settings_cut_the_box_and_nothing_else(classifier: Keeping) -> None:
    card = classifier.card
    read(FaceReader(classifier, PLAIN), 3)
    wanted = crop_face(GREY, face_square(FACE_BOX, card.crop_margin), card.input.size)
    assert [np.array_equal(face, wanted) for face in classifier.faces] == [True] * 3


def test_views_take_turns_and_come_back(classifier: Keeping) -> None:
    read(FaceReader(classifier, dataclasses.replace(PLAIN, views=True)), 2 * len(VIEWS))
    shown = classifier.faces[: len(VIEWS)]
    assert np.array_equal(shown[1], shown[0][:, ::-1])
    assert len({face.tobytes() for face in shown}) == len(VIEWS)
    assert all(np.array_equal(one, other) for one, other in zip(shown, classifier.faces[len(VIEWS) :], strict=True))


def test_each_track_has_its_own_turn(classifier: Keeping) -> None:
    reader = FaceReader(classifier, dataclasses.replace(PLAIN, views=True))
    for id in (1, 2):
        reader.see([track(id=id)], 0.0)
        reader.read(GREY, track(id=id), 0.0, 0.0)
    one, other = classifier.faces
    assert np.array_equal(one, other)


def test_a_head_is_turned_upright_from_the_angle_of_the_setting(classifier: Keeping) -> None:
    for upright_deg, roll_deg in ((10.0, 9.0), (10.0, 11.0), (180.0, 60.0)):
        read(FaceReader(classifier, dataclasses.replace(PLAIN, upright_deg=upright_deg)), 1, roll_deg)
    under, over, off = classifier.faces
    assert np.array_equal(under, off)
    assert not np.array_equal(under, over)


def test_a_jump_of_the_box_moves_the_crop_less(classifier: Keeping) -> None:
    jumped = FACE_BOX._replace(x=FACE_BOX.x + 0.1 * FACE_BOX.width)
    differences = []
    for steady_s in (0.0, 0.4):
        reader = FaceReader(classifier, dataclasses.replace(PLAIN, steady_s=steady_s))
        read(reader, 1)
        reader.see([track(jumped)], 1 / 15)
        reader.read(GREY, track(jumped), 0.0, 1 / 15)
        before, after = classifier.faces[-2:]
        differences.append(np.abs(before.astype(int) - after).mean())
    assert differences[1] < 0.6 * differences[0]


def test_views_of_a_still_face_count_in_full_and_a_blurred_frame_less(classifier: Keeping) -> None:
    import cv2

    reader = FaceReader(classifier, ReadingConfig())
    assert min(read(reader, 2 * len(VIEWS))) > 0.9
    blurred = np.asarray(cv2.GaussianBlur(GREY, (0, 0), FACE_BOX.width / 20), np.uint8)
    reader.see([track()], 1.0)
    assert reader.read(blurred, track(), 0.0, 1.0).weight < 0.5


def test_an_ended_track_is_forgotten(classifier: Keeping) -> None:
    reader = FaceReader(classifier, dataclasses.replace(PLAIN, views=True, steady_s=0.4))
    read(reader, 1)
    reader.forget(1)
    reader.forget(2)
    moved = FACE_BOX._replace(x=FACE_BOX.x + 20)
    read(reader, 1, box=moved)
    card = classifier.card
    assert np.array_equal(classifier.faces[-1], crop_face(GREY, face_square(moved, card.crop_margin), card.input.size))
