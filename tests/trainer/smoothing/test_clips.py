"""Views and clips: the same at every call, labelled right, and as hard as held-out faces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from device.vision.face_reader import VIEWS
from trainer.data.dataset import LABELS
from trainer.data.fer2013 import toy_dataset
from trainer.smoothing.clips import ClipMaker
from trainer.smoothing.views import Views, jittered

EQUAL = np.full(len(LABELS), 1 / len(LABELS))


def views(faces: int, count: int = 6, lowest: float = 0.0, seed: int = 0) -> Views:
    """Faces with a random score of the true label, at least `lowest`, the same in every view."""
    generator = np.random.default_rng(seed)
    labels = np.arange(faces) % len(LABELS)
    true = generator.uniform(lowest, 1.0, faces)
    scores = np.repeat(((1 - true) / (len(LABELS) - 1))[:, np.newaxis], len(LABELS), axis=1)
    scores[np.arange(faces), labels] = true
    return Views(np.repeat(scores[:, np.newaxis], count, axis=1).astype(np.float32), labels)


def maker(faces: int = 70) -> ClipMaker:
    return ClipMaker(views(faces), [np.arange(k, faces, len(LABELS)) for k in range(len(LABELS))])


def even(readings: int, rate_hz: float = 15.0) -> NDArray[np.float64]:
    return np.array([0.0] + [1 / rate_hz] * (readings - 1))


def test_views_of_a_face_vary_a_little_and_are_repeatable() -> None:
    face = toy_dataset()["training"].images[0]
    first, again = (np.stack(list(jittered(face, 10, np.random.default_rng(3)))) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()
    assert np.abs(first.astype(float) - face).mean() < 40


def test_the_views_that_the_device_takes_in_turn() -> None:
    face = toy_dataset()["training"].images[0]
    plain, turned = (
        np.stack(list(jittered(face, 5, np.random.default_rng(3), shown))) for shown in ([(1.0, False)], VIEWS)
    )
    assert (turned[0] == plain[0]).all() and (turned[4] == plain[4]).all()
    assert (turned[1] == plain[1, :, ::-1]).all()
    assert (turned[2] != plain[2]).any() and (turned[3] != plain[3, :, ::-1]).any()  # smaller, larger crops


@pytest.mark.parametrize(("view_s", "faces"), [(math.inf, 1), (1.0, 5), (0.5, 10)])
def test_a_clip_shows_each_expression_for_its_time_with_as_many_faces(view_s: float, faces: int) -> None:
    clip = maker(7 * 500).fixed_clip(even(750), EQUAL, view_s, lambda: 5.0, np.random.default_rng(4))
    stretches = clip.labels[0].reshape(10, 75)
    assert (stretches == stretches[:, :1]).all()
    assert (np.diff(stretches[:, 0]) != 0).all()
    for scores in clip.scores[0].reshape(10, 75, -1):
        assert faces - 1 <= len(np.unique(scores.max(-1))) <= faces  # each face has a score of its own
