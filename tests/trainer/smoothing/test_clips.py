"""Views and clips: the same at every call, labelled right, and as hard as held-out faces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.data.dataset import LABELS
from trainer.data.fer2013 import toy_dataset
from trainer.smoothing.clips import NO_FACE, ClipMaker, matched
from trainer.smoothing.views import Views, jittered, some_of_each_class

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
    return ClipMaker(views(faces), [np.arange(k, faces, len(LABELS)) for k in range(len(LABELS))], EQUAL)


def even(readings: int, rate_hz: float = 15.0) -> NDArray[np.float64]:
    return np.array([0.0] + [1 / rate_hz] * (readings - 1))


def test_views_of_a_face_vary_a_little_and_are_repeatable() -> None:
    face = toy_dataset()["training"].images[0]
    first, again = (np.stack(list(jittered(face, 10, np.random.default_rng(3)))) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()
    assert np.abs(first.astype(float) - face).mean() < 40


def test_some_faces_of_each_class() -> None:
    picked = some_of_each_class(toy_dataset()["training"], 5)
    assert np.bincount(picked.labels).tolist() == [5] * len(LABELS)
    assert (picked.images == some_of_each_class(toy_dataset()["training"], 5).images).all()


def test_a_batch_is_consistent_and_depends_on_the_seed_only() -> None:
    first, again, other = (maker().batch(8, 60, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.scores.shape == (8, 60, len(LABELS)) and first.labels.shape == first.elapsed_s.shape == (8, 60)
    assert (first.scores == again.scores).all() and (first.elapsed_s == again.elapsed_s).all()
    assert first.scores.shape == other.scores.shape and (first.labels != other.labels).any()
    assert np.allclose(first.scores.sum(-1), 1.0, atol=1e-5)
    assert (first.elapsed_s[:, 0] == 0).all() and (first.elapsed_s[:, 1:] > 0).all()


def test_where_nothing_is_read_the_scores_are_uniform() -> None:
    clips = maker().batch(64, 80, np.random.default_rng(0))
    blank = clips.labels == NO_FACE
    assert 0.0 < blank.mean() < 0.3
    assert np.allclose(clips.scores[blank], 1 / len(LABELS))


@pytest.mark.parametrize(("view_s", "faces"), [(math.inf, 1), (1.0, 5), (0.5, 10)])
def test_a_clip_shows_each_expression_for_its_time_with_as_many_faces(view_s: float, faces: int) -> None:
    clip = maker(7 * 500).fixed_clip(even(750), EQUAL, view_s, lambda: 5.0, np.random.default_rng(4))
    stretches = clip.labels[0].reshape(10, 75)
    assert (stretches == stretches[:, :1]).all()
    assert (np.diff(stretches[:, 0]) != 0).all()
    for scores in clip.scores[0].reshape(10, 75, -1):
        assert faces - 1 <= len(np.unique(scores.max(-1))) <= faces  # each face has a score of its own


def test_training_faces_are_drawn_as_hard_as_held_out_ones() -> None:
    training, held_out = views(7000, lowest=0.6, seed=1), views(1400, seed=2)
    easy = views(7000, seed=1)
    drawn = np.concatenate(matched(easy, held_out, np.random.default_rng(0)))
    harder = np.concatenate(matched(training, held_out, np.random.default_rng(0)))

    def true(faces: Views, index: NDArray[np.int64]) -> float:
        return float(faces.scores[index, 0, faces.labels[index]].mean())

    assert true(easy, drawn) == pytest.approx(0.5, abs=0.03)
    assert true(training, harder) < true(training, np.arange(7000)) - 0.02
    for k, index in enumerate(matched(easy, held_out, np.random.default_rng(0))):
        assert (easy.labels[index] == k).all()
