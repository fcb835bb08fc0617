"""How much a reading counts: a blurred face less than a sharp one of the same track."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from device.inference.preprocess import to_grey
from device.vision.sharpness import FORGET_S, MIN_WEIGHT, BlurWeights, sharpness
from tests.support.clips import portrait

SIDE = 48


def face(blur_px: float = 0.0) -> NDArray[np.uint8]:
    small = cv2.resize(to_grey(portrait()), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), blur_px) if blur_px else small, np.uint8)


def test_blur_lowers_sharpness_and_contrast_does_not_count() -> None:
    values = [sharpness(face(blur_px)) for blur_px in (0.0, 0.7, 1.5, 3.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2 * values[0]
    pale = np.asarray(100 + face() // 4, np.uint8)
    assert sharpness(pale) == pytest.approx(sharpness(face()), rel=0.1)


def test_a_blurred_face_counts_less_than_a_sharp_one_before() -> None:
    weights = BlurWeights()
    assert weights.weigh(1, face(), 0.0) == 1.0
    assert weights.weigh(1, face(1.0), 0.1) < 0.5
    assert weights.weigh(1, face(5.0), 0.2) == MIN_WEIGHT
    assert weights.weigh(1, face(), 0.3) == 1.0


def test_a_face_that_is_never_sharp_counts_in_full() -> None:
    weights = BlurWeights()
    assert [weights.weigh(1, face(3.0), n / 15) for n in range(20)] == [1.0] * 20


def test_the_best_fades_so_that_a_face_in_new_light_counts_again() -> None:
    weights = BlurWeights()
    weights.weigh(1, face(), 0.0)
    early, late = weights.weigh(1, face(1.5), 1.0), weights.weigh(1, face(1.5), 5 * FORGET_S)
    assert early < 0.3
    assert late == 1.0


def test_tracks_do_not_mix_and_an_ended_one_is_forgotten() -> None:
    weights = BlurWeights()
    weights.weigh(1, face(), 0.0)
    assert weights.weigh(2, face(3.0), 0.1) == 1.0
    weights.forget(1)
    weights.forget(7)
    assert weights.weigh(1, face(3.0), 0.1) == 1.0


@pytest.mark.parametrize("grey", [0, 255])
def test_a_picture_of_one_grey_is_not_sharp_and_counts(grey: int) -> None:
    plain = np.full((SIDE, SIDE), grey, np.uint8)
    assert sharpness(plain) == 0.0
    assert BlurWeights().weigh(1, plain, 0.0) == 1.0
