"""Corrupted images: the same at each call, worse with each severity, each as its name says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.data.corruptions import KINDS, SEVERITIES, corrupt
from trainer.data.fer2013 import toy_dataset

FACES = toy_dataset()["public_test"].images[:24]


def flat(value: int, count: int = 4) -> NDArray[np.uint8]:
    return np.full((count, 48, 48), value, np.uint8)


def damage(kind: str, severity: int) -> float:
    """Mean difference to the faces as they were, grey levels."""
    return float(np.abs(corrupt(FACES, kind, severity).astype(float) - FACES).mean())


def test_there_are_fifteen_kinds_of_five_severities() -> None:
    assert len(KINDS) == 15 and SEVERITIES == (1, 2, 3, 4, 5)
    assert all(len(set(kind.strengths)) == 5 for kind in KINDS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_and_leaves_the_originals_alone(kind: str) -> None:
    before = FACES.copy()
    once = corrupt(FACES, kind, 3, seed=1)
    assert once.dtype == np.uint8 and once.shape == FACES.shape
    assert (once == corrupt(FACES, kind, 3, seed=1)).all() and (before == FACES).all()
    assert (once[:5] == corrupt(FACES[:5], kind, 3, seed=1)).all()  # and does not depend on who comes after


@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_does_more_damage(kind: str) -> None:
    harm = [damage(kind, severity) for severity in SEVERITIES]
    assert harm[0] > 0.3 and harm == sorted(harm), harm


@pytest.mark.parametrize("kind", ["gaussian_noise", "motion_blur", "side_light", "rotation", "off_centre", "mask"])
def test_faces_and_seeds_differ(kind: str) -> None:
    same = np.repeat(FACES[:1], 8, axis=0)
    corrupted = corrupt(same, kind, 4)
    assert len({face.tobytes() for face in corrupted}) > 1
    assert (corrupted != corrupt(same, kind, 4, seed=1)).any()


def test_noise_has_the_given_strength() -> None:
    assert corrupt(flat(128, 40), "gaussian_noise", 3).std() == pytest.approx(20, rel=0.02)
    # A grey of 127.5 gets half of 50 photons: variance 25, in units of 255 / 50 grey levels.
    assert corrupt(flat(128, 40), "shot_noise", 3).std() == pytest.approx(5 * 255 / 50, rel=0.03)
    hit = corrupt(flat(128, 40), "impulse_noise", 5)
    assert (hit == 0).mean() == pytest.approx(0.085, abs=0.005)
    assert (hit == 255).mean() == pytest.approx(0.085, abs=0.005)


@pytest.mark.parametrize("kind", ["defocus_blur", "motion_blur"])
def test_blur_keeps_the_light_and_leaves_a_plain_face_plain(kind: str) -> None:
    assert (corrupt(flat(97), kind, 5) == 97).all()
    dot = flat(0, 1)
    dot[0, 24, 24] = 255
    blurred = corrupt(dot, kind, 1).astype(float)
    assert blurred.sum() == pytest.approx(255, rel=0.05)
    y, x = np.nonzero(blurred[0] > 0)
    assert abs(y.mean() - 24) < 0.5 and abs(x.mean() - 24) < 0.5  # in place


def test_motion_is_a_line_and_defocus_a_disc() -> None:
    dot = flat(0, 1)
    dot[0, 24, 24] = 255
    for kind, is_round in (("defocus_blur", True), ("motion_blur", False)):
        y, x = np.nonzero(corrupt(dot, kind, 5)[0] > 2)
        long, short = np.sqrt(np.linalg.eigvalsh(np.cov(np.stack([y, x])))[::-1])
        assert (long / short < 1.2) == is_round


def test_light_by_hand() -> None:
    assert (corrupt(flat(40), "over_exposure", 2) == round(40 * 2**0.6)).all()
    assert (corrupt(flat(200), "over_exposure", 2) == 255).all()
    dark = corrupt(flat(160, 40), "low_light", 3)
    assert dark.mean() == pytest.approx(40, abs=0.1) and dark.std() == pytest.approx(2, abs=0.1)
    half = flat(100, 1)
    half[:, :24] = 200
    assert sorted(set(corrupt(half, "low_contrast", 2).ravel().tolist())) == [125, 175]
    sides = corrupt(flat(200, 30), "side_light", 3)
    assert sides.min() >= 60 - 1 and sides.max() <= 200  # at most 70 % of the light is lost


def test_low_resolution_keeps_no_more_than_its_pixels() -> None:
    stripes = flat(0, 1)
    stripes[:, :, ::2] = 200  # one pixel wide: 24 pixels a side see their mean
    inner = corrupt(stripes, "low_resolution", 2)[0, 4:-4, 4:-4]
    assert (inner == 100).all()


def test_rotation_turns_about_the_middle_either_way() -> None:
    bar = flat(0, 30)
    bar[:, :, 22:26] = 200
    leaning = [np.diff([face[6].argmax(), face[41].argmax()])[0] for face in corrupt(bar, "rotation", 4)]
    across = 35 * np.tan(np.radians(30))
    assert {int(np.sign(lean)) for lean in leaning} == {-1, 1}
    assert np.abs(leaning) == pytest.approx(across, abs=4)


def test_what_sunglasses_and_masks_leave() -> None:
    for severity in SEVERITIES:
        glasses, masked = (corrupt(FACES, kind, severity) for kind in ("sunglasses", "mask"))
        assert (glasses[:, 30:] == FACES[:, 30:]).all() and (glasses[:, 17, 15] < 50).all()
        assert (masked[:, :28] == FACES[:, :28]).all() and (np.ptp(masked[:, 44, 12:36], axis=1) == 0).all()
