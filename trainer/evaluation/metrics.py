"""Scores of a classifier from its probabilities and the true labels; numpy in, plain numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.inference import classifier
from device.inference.model_card import OperatingPoint

ECE_BINS = 15
COVERAGE = 0.8  # the customary share of faces at which a cautious reader is judged

Scores = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def softmax(logits: Scores, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities (N, K) of logits (N, K) divided by the temperature."""
    return classifier.softmax(logits.astype(np.float64), temperature)


def summarise(scores: Scores, labels: Labels, names: Sequence[str]) -> dict[str, Any]:
    """Everything that is said about a classifier on a set of faces, ready for JSON.

    Args:
        scores: probabilities (N, K).
        labels: (N,), index of the true class.
        names: the K classes.

    Returns:
        n, accuracy, macro_f1, weighted_f1, top5, ece, brier, nll, aurc, coverage (of the most confident 80 % of
        faces), per_class {name: {precision, recall, f1, auc, support}}, confusion (rows are the truth).
    """
    matrix = confusion(scores.argmax(1), labels, len(names))
    classes = per_class(scores, labels, matrix)
    f1 = np.array([c["f1"] for c in classes])
    support = matrix.sum(1)
    point = operating_point(scores, labels)
    return {
        "n": len(labels),
        "accuracy": float(np.trace(matrix) / len(labels)),
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
    """Counts (K, K): row is the truth, column what was read."""
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), np.int64)


def per_class(scores: Scores, labels: Labels, matrix: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Precision, recall, F1, one-against-rest AUC and support of each class; undefined ones are 0, or None for AUC."""
    hits = np.diag(matrix)
    precision = hits / np.maximum(matrix.sum(0), 1)
    recall = hits / np.maximum(matrix.sum(1), 1)
    f1 = 2 * hits / np.maximum(matrix.sum(0) + matrix.sum(1), 1)
    return [
        {
            "precision": float(precision[k]),
            "recall": float(recall[k]),
            "f1": float(f1[k]),
            "auc": auc(scores[:, k], labels == k),
            "support": int(matrix[k].sum()),
        }
        for k in range(len(matrix))
    ]


def auc(score: Scores, positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve; None where one of the two sides is empty."""
    if positive.all() or not positive.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score))


def top_k(scores: Scores, labels: Labels, k: int) -> float:
    """Share of faces whose true class is among the k highest scores."""
    true = np.take_along_axis(scores, labels[:, np.newaxis], 1)
    return float(((scores > true).sum(1) < k).mean())


def ece(scores: Scores, labels: Labels, bins: int = ECE_BINS) -> float:
    """Expected calibration error over equal-mass bins (Nguyen & O'Connor 2015, arXiv:1508.05154)."""
    gaps = [abs(r.mean() - c.mean()) * len(c) for c, r in reliability(scores, labels, bins)]
    return float(sum(gaps) / len(labels))


def reliability(scores: Scores, labels: Labels, bins: int = ECE_BINS) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Faces in order of confidence, cut into bins of equal mass: (confidences, was right) of each that holds any."""
    confidence = scores.max(1)
    right = scores.argmax(1) == labels
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, bins)
    return [(confidence[part], right[part]) for part in parts if len(part)]


def brier(scores: Scores, labels: Labels) -> float:
    """Mean squared distance between probabilities and the one-hot truth, summed over classes: 0 to 2."""
    truth = np.eye(scores.shape[1])[labels]
    return float(((scores - truth) ** 2).sum(1).mean())


def nll(scores: Scores, labels: Labels) -> float:
    """Mean negative log-likelihood of the true class, in nats."""
    true = scores[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def nll_soft(scores: Scores, targets: NDArray[np.float64]) -> float:
    """Cross-entropy, in nats, against distributions over classes (N, K): annotators' votes, say."""
    return float(-(targets * np.log(np.maximum(scores, 1e-12))).sum(1).mean())


def operating_point(scores: Scores, labels: Labels, coverage: float = COVERAGE) -> OperatingPoint:
    """The confidence that keeps the given share of faces, the share it really keeps, and their accuracy."""
    confidence = scores.max(1)
    threshold = float(np.sort(confidence)[-math.ceil(coverage * len(confidence))])
    kept = confidence >= threshold
    accuracy = (scores.argmax(1) == labels)[kept].mean()
    return OperatingPoint(threshold, float(kept.mean()), float(accuracy))


def selective_accuracy(scores: Scores, labels: Labels) -> NDArray[np.float64]:
    """Accuracy of the k surest faces, k from 1 to N: (N,); equally sure faces share what they have in common."""
    _, group, counts = np.unique(-scores.max(1), return_inverse=True, return_counts=True)  # surest first
    right = np.bincount(group, scores.argmax(1) == labels) / counts
    return np.asarray(np.repeat(right, counts).cumsum() / np.arange(1, len(labels) + 1), np.float64)


def aurc(scores: Scores, labels: Labels) -> float:
    """Area under the risk-coverage curve (Geifman & El-Yaniv 2017, arXiv:1705.08500): mean error of the k surest."""
    return float(1 - selective_accuracy(scores, labels).mean())


def least_aurc(accuracy: float, n: int) -> float:
    """The area that remains with this accuracy on n faces if every right reading is surer than every wrong one."""
    wrong = np.arange(n) >= round(accuracy * n)
    return float((wrong.cumsum() / np.arange(1, n + 1)).mean())


def fit_temperature(logits: Scores, labels: Labels) -> float:
    """The temperature (Guo et al. 2017, arXiv:1706.04599) with the least Brier score, from 0.2 to 20.

    Guo et al. take the negative log-likelihood. Where many labels are wrong, as in FER2013, the few that contradict a
    sure reading outweigh the others there; to the Brier score no face adds more than 2. docs/training.md compares both.
    The bounds matter where nothing or everything is read right, as on toy faces: then it would run to infinity or zero.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return brier(softmax(logits, math.exp(log_temperature)), labels)

    found = minimize_scalar(loss, bounds=(math.log(0.2), math.log(20.0)), method="bounded")
    return math.exp(found.x)
