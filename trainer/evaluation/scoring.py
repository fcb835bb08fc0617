"""The evaluation of a network, as dictionaries that `trainer evaluate --json` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.errors import ModelError
from trainer.artifacts.predictor import Predictor
from trainer.data.corruptions import KINDS, SEVERITIES, corrupt
from trainer.data.dataset import LABELS, VOTES, Dataset, FaceSet, duplicate_mask
from trainer.data.ferplus import VOTE_NAMES
from trainer.evaluation import metrics, significance
from trainer.evaluation.tta import ten_views

CURVE_POINTS = 100  # of the risk-coverage curve in the output
MIRRORED = 2  # the first two of the ten views are the face and its mirror image

Read = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # faces (N, S, S) to logits (N, K)
Chosen = slice | NDArray[np.bool_]


@dataclass(frozen=True)
class EvaluationSet:
    """The faces to classify; `new` (N,) marks those whose pixels are not in Training, or None."""

    split: str
    faces: FaceSet
    new: NDArray[np.bool_] | None

    def on_both(self, measure: Callable[[Chosen], dict[str, Any]]) -> dict[str, Any]:
        """`measure` of all faces, and under `without_duplicates` of the new ones, or None."""
        return measure(slice(None)) | {"without_duplicates": None if self.new is None else measure(self.new)}


def set_exam(dataset: Dataset, split: str) -> EvaluationSet:
    """The faces of a split, compared with Training if it is another split and present."""
    faces, new = dataset[split], None
    if split != "training" and "training" in dataset.splits:
        new = ~duplicate_mask(faces, dataset["training"])
    return EvaluationSet(split, faces, new if new is not None and new.any() else None)


def reading(reader: Predictor, path: Path, names: tuple[str, ...] = LABELS) -> Read:
    """A function from faces to the model's logits, with columns in the order of `names`.

    Raises:
        ModelError: the model has other labels.
    """
    if set(reader.labels) != set(names):
        raise ModelError(f"{path}: the model has the labels {', '.join(reader.labels)}, the data {', '.join(names)}.")
    columns = [reader.labels.index(label) for label in names]
    return lambda faces: reader.logits(faces)[:, columns]


def single_view(exam: EvaluationSet, logits: NDArray[np.float32], temperature: float) -> dict[str, Any]:
    """The main results: one view of each face.

    Args:
        exam: the faces.
        logits: (N, K).
        temperature: that calibrates them.

    Returns:
        split, temperature, `metrics.summarise`, calibration, risk_coverage and standard_error; all
        but the first two again under `without_duplicates`; and with FER+ votes, under `fer_plus`,
        the agreement with them.
    """
    scores = metrics.softmax(logits, temperature)

    def measure(chosen: Chosen) -> dict[str, Any]:
        faces = exam.faces.take(chosen)
        found = metrics.summarise(scores[chosen], faces.labels, faces.names)
        found["calibration"] = calibration(logits[chosen], faces, temperature)
        found["risk_coverage"] = risk_coverage(scores[chosen], faces.labels)
        found["standard_error"] = float(np.sqrt(found["accuracy"] * (1 - found["accuracy"]) / len(faces)))
        return found

    result = {"split": exam.split, "temperature": temperature} | exam.on_both(measure)
    if exam.faces.votes is not None:
        result["fer_plus"] = _against_votes(scores, exam.faces)
    return result


def calibration(logits: NDArray[np.float32], faces: FaceSet, temperature: float) -> dict[str, Any]:
    """Calibration `before` (temperature 1) and `after` the temperature.

    Returns:
        of each: temperature, ece, brier, nll, nll_votes (to FER+ shares; None without votes), and
        bins: n, confidence and accuracy of each of 15 bins of equal mass.
    """
    return {name: _calibrated(logits, faces, value) for name, value in (("before", 1.0), ("after", temperature))}


def _calibrated(logits: NDArray[np.float32], faces: FaceSet, temperature: float) -> dict[str, Any]:
    scores = metrics.softmax(logits, temperature)
    bins = metrics.reliability(scores, faces.labels)
    return {
        "temperature": temperature,
        "ece": metrics.ece(scores, faces.labels),
        "brier": metrics.brier(scores, faces.labels),
        "nll": metrics.nll(scores, faces.labels),
        "nll_votes": None if faces.votes is None else _against_votes(scores, faces)["nll"],
        "bins": [{"n": len(c), "confidence": float(c.mean()), "accuracy": float(r.mean())} for c, r in bins],
    }


def _against_votes(scores: NDArray[np.float64], faces: FaceSet) -> dict[str, Any]:
    """Scores compared with FER+ vote shares, over faces with a vote for one of the labels."""
    assert faces.votes is not None
    counts = faces.votes[:, [VOTES.index(VOTE_NAMES[name]) for name in faces.names]].astype(np.float64)
    voted = counts.sum(1) > 0
    shares = counts[voted] / counts[voted].sum(1, keepdims=True)
    right = scores[voted].argmax(1) == shares.argmax(1)
    return {"n": int(voted.sum()), "accuracy": float(right.mean()), "nll": metrics.nll_soft(scores[voted], shares)}


def risk_coverage(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy when the least confident faces are left out.

    Returns:
        aurc (0 is best), least_aurc (with a perfect order of the same predictions), and the curve:
        coverage, and accuracy of that share of faces, the most confident first.
    """
    curve = metrics.selective_accuracy(scores, labels)
    kept = np.unique(np.ceil(np.linspace(0, 1, CURVE_POINTS + 1)[1:] * len(labels)).astype(int))
    return {
        "aurc": metrics.aurc(scores, labels),
        "least_aurc": metrics.least_aurc(float(curve[-1]), len(labels)),
        "coverage": (kept / len(labels)).tolist(),
        "accuracy": curve[kept - 1].tolist(),
    }


def several_views(exam: EvaluationSet, read: Read, temperature: float, shift_px: int) -> dict[str, Any]:
    """Test-time augmentation: mean scores of 2 and of 10 views; see `trainer.evaluation.tta`.

    Returns:
        {"mirrored": ..., "ten_views": ...}: views, `metrics.summarise`, and again under
        `without_duplicates`.
    """
    result, total = {}, np.zeros((len(exam.faces), len(exam.faces.names)))
    for count, view in enumerate(ten_views(exam.faces.images, shift_px), start=1):
        total += metrics.softmax(read(view), temperature)
        if count == MIRRORED:
            result["mirrored"] = {"views": count} | _summary(exam, total / count)
    result["ten_views"] = {"views": count} | _summary(exam, total / count)
    return result


def _summary(exam: EvaluationSet, scores: NDArray[np.float64]) -> dict[str, Any]:
    return exam.on_both(lambda c: metrics.summarise(scores[c], exam.faces.labels[c], exam.faces.names))


def against(exam: EvaluationSet, logits: NDArray[np.float32], other: NDArray[np.float32]) -> dict[str, Any]:
    """`significance.compare` of two networks' logits (N, K); again under `without_duplicates`."""
    right, other_right = (values.argmax(1) == exam.faces.labels for values in (logits, other))
    return exam.on_both(lambda chosen: significance.compare(right[chosen], other_right[chosen]))


def corrupted(read: Read, faces: FaceSet, seed: int, kinds: Iterable[str] = tuple(KINDS)) -> dict[str, Any]:
    """Accuracy on corrupted images of every kind and severity; see `trainer.data.corruptions`.

    Args:
        read: the network.
        faces: to corrupt.
        seed: of the corruptions.
        kinds: in this order; an iterable may show progress.

    Returns:
        faces, seed, accuracy (of the clean images), kinds {name: {accuracy: five, mean, lost
        (points)}}, by_severity (five means), mean (over all), relative (the mean as a share of the
        accuracy on clean images).
    """

    def accuracy(images: NDArray[np.uint8]) -> float:
        return float((read(images).argmax(1) == faces.labels).mean())

    clean, found = accuracy(faces.images), {}
    for kind in kinds:
        row = [accuracy(corrupt(faces.images, kind, severity, seed)) for severity in SEVERITIES]
        mean = float(np.mean(row))
        found[kind] = {"accuracy": row, "mean": mean, "lost": 100 * (clean - mean)}
    table = np.array([values["accuracy"] for values in found.values()])
    return {
        "faces": len(faces),
        "seed": seed,
        "accuracy": clean,
        "kinds": found,
        "by_severity": table.mean(0).tolist(),
        "mean": float(table.mean()),
        "relative": float(table.mean() / clean) if clean else None,
    }
