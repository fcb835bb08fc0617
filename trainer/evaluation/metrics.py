"""Metrics of a classifier from its probabilities and the true labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.inference import classifier
from device.inference.model_card import OperatingPoint

ECE_BINS = 15
COVERAGE = 0.8  # the usual share of faces at which selective accuracy is given

Scores = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def softmax(logits: Scores, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities (N, K) of logits (N, K) divided by the temperature."""
    return classifier.softmax(logits.astype(np.float64), temperature)


def summarise(scores: Scores, labels: Labels, names: Sequence[str]) -> dict[str, Any]:
    """All metrics of a classifier on a set of faces, ready for JSON.

    Args:
        scores: probabilities (N, K).
        labels: (N,), index of the true class.
        names: the K classes.

    Returns:
        n, accuracy, macro_f1, weighted_f1, top5, ece, brier, nll, aurc, coverage (of the most
        confident 80 % of faces), per_class {name: {precision, recall, f1, auc, support}}, confusion
        (rows are the true classes).
    """
    predicted = scores.argmax(1)
    matrix = confusion(predicted, labels, len(names))
    classes = per_class(scores, labels)
    f1, support = (np.array([values[key] for values in classes]) for key in ("f1", "support"))
    point = operating_point(scores, labels)
    return {
        "n": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1[support > 0].mean()),
        "weighted_f1": float((f1 * support).sum() / support.sum()),
        "top5": top_k(scores, labels, 5),
        "ece": ece(scores, labels),
        "brier": brier(scores, labels),
        "nll": nll(scores, labels),
        "aurc": aurc(scores, labels),
        "coverage": {"share": point.coverage, "accuracy": point.accuracy, "min_confidence": point.min_confidence},
        "per_class": dict(zip(names, classes, strict=True)),
        "confusion": matrix.tolist(),
    }


def confusion(predicted: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (K, K): rows are the true classes, columns the predicted ones."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(labels, predicted, labels=range(classes)), np.int64)


def per_class(scores: Scores, labels: Labels) -> list[dict[str, Any]]:
    """Precision, recall, F1, one-vs-rest AUC and support of each class.

    An undefined precision, recall or F1 is 0, an undefined AUC None.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = range(scores.shape[1])
    found = precision_recall_fscore_support(labels, scores.argmax(1), labels=classes, zero_division=0)
    return [
        {
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "auc": auc(scores[:, k], labels == k),
            "support": int(support),
        }
        for k, (precision, recall, f1, support) in enumerate(zip(*found, strict=True))
    ]


def auc(score: Scores, positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve; None without positives or without negatives."""
    if positive.all() or not positive.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score))


def top_k(scores: Scores, labels: Labels, k: int) -> float:
    """Share of faces whose true class is among the k highest scores.

    Scores that equal the true class's score do not count against it. An int8 network often gives
    equal scores; scikit-learn's `top_k_accuracy_score` orders them by the number of the class.
    """
    true = np.take_along_axis(scores, labels[:, np.newaxis], 1)
    return float(((scores > true).sum(1) < k).mean())


def ece(scores: Scores, labels: Labels, bins: int = ECE_BINS) -> float:
    """Expected calibration error, equal-mass bins (Nguyen & O'Connor 2015, arXiv:1508.05154)."""
    gaps = [abs(r.mean() - c.mean()) * len(c) for c, r in reliability(scores, labels, bins)]
    return float(sum(gaps) / len(labels))


def reliability(scores: Scores, labels: Labels, bins: int = ECE_BINS) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Faces by confidence in bins of equal mass: (confidences, correct) of each non-empty bin."""
    confidence = scores.max(1)
    right = scores.argmax(1) == labels
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, bins)
    return [(confidence[part], right[part]) for part in parts if len(part)]


def brier(scores: Scores, labels: Labels) -> float:
    """Mean squared distance of probabilities and one-hot labels, summed over classes: 0 to 2."""
    truth = np.eye(scores.shape[1])[labels]
    return float(((scores - truth) ** 2).sum(1).mean())


def nll(scores: Scores, labels: Labels) -> float:
    """Mean negative log-likelihood of the true class, in nats."""
    true = scores[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def nll_soft(scores: Scores, targets: NDArray[np.float64]) -> float:
    """Cross-entropy, in nats, to distributions over classes (N, K), as annotators' votes."""
    return float(-(targets * np.log(np.maximum(scores, 1e-12))).sum(1).mean())


def operating_point(scores: Scores, labels: Labels, coverage: float = COVERAGE) -> OperatingPoint:
    """The confidence that keeps a share of the faces, the exact share, and its accuracy."""
    confidence = scores.max(1)
    threshold = float(np.sort(confidence)[-math.ceil(coverage * len(confidence))])
    kept = confidence >= threshold
    accuracy = (scores.argmax(1) == labels)[kept].mean()
    return OperatingPoint(threshold, float(kept.mean()), float(accuracy))


def selective_accuracy(scores: Scores, labels: Labels) -> NDArray[np.float64]:
    """Accuracy of the k most confident faces, k from 1 to N: (N,); ties share their mean."""
    _, group, counts = np.unique(-scores.max(1), return_inverse=True, return_counts=True)  # most confident first
    right = np.bincount(group, scores.argmax(1) == labels) / counts
    return np.asarray(np.repeat(right, counts).cumsum() / np.arange(1, len(labels) + 1), np.float64)


def aurc(scores: Scores, labels: Labels) -> float:
    """Area under the risk-coverage curve (Geifman & El-Yaniv 2017, arXiv:1705.08500)."""
    return float(1 - selective_accuracy(scores, labels).mean())


def least_aurc(accuracy: float, n: int) -> float:
    """The least area at this accuracy on n faces: correct predictions before all wrong ones."""
    wrong = np.arange(n) >= round(accuracy * n)
    return float((wrong.cumsum() / np.arange(1, n + 1)).mean())


def fit_temperature(logits: Scores, labels: Labels) -> float:
    """The temperature (Guo et al. 2017, arXiv:1706.04599) with the least Brier score, 0.2 to 20.

    Guo et al. use the negative log-likelihood. With many wrong labels, as in FER2013, the few that
    contradict a confident prediction dominate it. No face adds more than 2 to the Brier score.
    docs/training-runs.md compares both. The bounds matter where all or no predictions are correct,
    as on toy faces: the optimum would then be zero or infinity.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return brier(softmax(logits, math.exp(log_temperature)), labels)

    found = minimize_scalar(loss, bounds=(math.log(0.2), math.log(20.0)), method="bounded")
    return math.exp(found.x)
