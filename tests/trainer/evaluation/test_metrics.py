"""Metrics against values worked out by hand and against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainer.data.dataset import LABELS
from trainer.evaluation import metrics

CLASSES = len(LABELS)


def drawn(n: int = 600, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that lean towards the truth, and the truth."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, n)
    return generator.normal(0, 1, (n, CLASSES)) + 1.5 * np.eye(CLASSES)[labels], labels


def test_softmax_by_hand() -> None:
    assert metrics.softmax(np.array([[0.0, math.log(3)]])) == pytest.approx(np.array([[0.25, 0.75]]))
    assert metrics.softmax(np.array([[0.0, math.log(9)]]), 2.0) == pytest.approx(np.array([[0.25, 0.75]]))
    assert np.isfinite(metrics.softmax(np.array([[1e4, -1e4]]))).all()


def test_scores_agree_with_scikit_learn() -> None:
    logits, labels = drawn()
    scores = metrics.softmax(logits)
    read = scores.argmax(1)
    summary = metrics.summarise(scores, labels, LABELS)
    precision, recall, f1, support = sk.precision_recall_fscore_support(labels, read)
    for k, name in enumerate(LABELS):
        expected = {"precision": precision[k], "recall": recall[k], "f1": f1[k], "support": support[k]}
        expected["auc"] = sk.roc_auc_score(labels == k, scores[:, k])
        assert summary["per_class"][name] == pytest.approx(expected)
    assert summary["confusion"] == sk.confusion_matrix(labels, read).tolist()
    assert summary["accuracy"] == pytest.approx(sk.accuracy_score(labels, read))
    assert summary["macro_f1"] == pytest.approx(sk.f1_score(labels, read, average="macro"))
    assert summary["weighted_f1"] == pytest.approx(sk.f1_score(labels, read, average="weighted"))
    assert summary["top5"] == pytest.approx(sk.top_k_accuracy_score(labels, scores, k=5))
    assert summary["nll"] == pytest.approx(sk.log_loss(labels, scores))
    assert summary["n"] == len(labels)


def test_classes_by_hand() -> None:
    """Six faces of three classes: what was predicted for each, as scores of 1."""
    labels, predicted = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    summary = metrics.summarise(np.eye(3)[predicted], labels, ("a", "b", "c"))
    assert summary["confusion"] == [[2, 1, 0], [0, 1, 2], [0, 0, 0]]
    a, b, c = (summary["per_class"][name] for name in "abc")
    assert (a["precision"], a["recall"], a["f1"], a["support"]) == pytest.approx((1, 2 / 3, 4 / 5, 3))
    assert (b["precision"], b["recall"], b["f1"], b["support"]) == pytest.approx((1 / 2, 1 / 3, 2 / 5, 3))
    assert (c["precision"], c["recall"], c["f1"], c["support"]) == (0, 0, 0, 0)
    assert summary["accuracy"] == pytest.approx(1 / 2) and summary["macro_f1"] == pytest.approx(3 / 5)


def test_equal_scores_do_not_count_against_the_true_class() -> None:
    scores = np.full((1, CLASSES), 1 / CLASSES)
    assert [metrics.top_k(scores, np.array([k]), 1) for k in range(CLASSES)] == [1.0] * CLASSES


def test_brier_by_hand() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
    assert metrics.brier(scores, np.array([0, 1])) == pytest.approx(((0.09 + 0.04 + 0.01) + (1 + 1)) / 2)


def test_ece_by_hand() -> None:
    """Two bins of two: confidences .6 and .7 with one right, .8 and .9 with both right."""
    confidence = np.array([0.8, 0.6, 0.9, 0.7])
    scores = np.stack([confidence, 1 - confidence], 1)
    labels = np.array([0, 1, 0, 0])
    assert metrics.ece(scores, labels, bins=2) == pytest.approx((abs(0.65 - 0.5) + abs(0.85 - 1.0)) / 2)


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_every_face_is_in_one_bin(n: int, seed: int) -> None:
    logits, labels = drawn(n, seed)
    bins = metrics.reliability(metrics.softmax(logits), labels)
    sizes = [len(confidence) for confidence, _ in bins]
    assert sum(sizes) == n and max(sizes) - min(sizes) <= 1


def test_a_class_that_never_occurs_counts_nowhere() -> None:
    scores = metrics.softmax(np.array([[5.0, 0, 0], [0, 5.0, 0]]))
    summary = metrics.summarise(scores, np.array([0, 1]), ("a", "b", "c"))
    assert summary["macro_f1"] == 1.0
    assert summary["per_class"]["c"] == {"precision": 0, "recall": 0, "f1": 0, "auc": None, "support": 0}


def test_operating_point_keeps_the_surest() -> None:
    confidence = np.linspace(0.51, 0.99, 10)
    scores = np.stack([confidence, 1 - confidence], 1)
    labels = np.array([1, 1] + [0] * 8)  # the two least sure are wrong
    point = metrics.operating_point(scores, labels, 0.8)
    assert point.coverage == pytest.approx(0.8)
    assert point.accuracy == 1.0
    assert confidence[1] < point.min_confidence <= confidence[2]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 2, (20_000, CLASSES))
    chances = metrics.softmax(logits, temperature).cumsum(1)
    labels = (generator.random((len(logits), 1)) > chances).sum(1).clip(0, CLASSES - 1)
    assert metrics.fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_soft_targets_that_are_certain_are_labels() -> None:
    logits, labels = drawn(50)
    scores = metrics.softmax(logits)
    assert metrics.nll_soft(scores, np.eye(CLASSES)[labels]) == pytest.approx(metrics.nll(scores, labels))


def certainly(confidence: list[float], right: list[bool]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores of two classes with this confidence in the first, and labels that make them right."""
    first = np.array(confidence)
    return np.stack([first, 1 - first], 1), np.where(right, 0, 1)


def test_risk_and_coverage_by_hand() -> None:
    scores, labels = certainly([0.6, 0.9, 0.7, 0.8], [True, True, True, False])
    assert metrics.selective_accuracy(scores, labels) == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert metrics.aurc(scores, labels) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert metrics.least_aurc(3 / 4, 4) == pytest.approx((0 + 0 + 0 + 1 / 4) / 4)


def test_equally_sure_faces_have_no_order() -> None:
    scores, labels = certainly([0.9, 0.7, 0.7], [True, True, False])
    expected = [1, (1 + 1 / 2) / 2, 2 / 3]
    assert metrics.selective_accuracy(scores, labels) == pytest.approx(expected)
    assert metrics.selective_accuracy(scores[::-1], labels[::-1]) == pytest.approx(expected)


@given(st.integers(1, 60), st.integers(0, 10_000))
def test_no_order_is_better_than_the_perfect_one(n: int, seed: int) -> None:
    logits, labels = drawn(n, seed)
    scores = metrics.softmax(logits)
    accuracy = float((scores.argmax(1) == labels).mean())
    assert metrics.least_aurc(accuracy, n) <= metrics.aurc(scores, labels) + 1e-12
    assert metrics.selective_accuracy(scores, labels)[-1] == pytest.approx(accuracy)
