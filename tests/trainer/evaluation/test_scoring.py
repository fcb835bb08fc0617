"""What is measured when a network is scored, with readers whose answers are known beforehand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from device.errors import ModelError
from trainer.artifacts.predictor import Predictor
from trainer.data.corruptions import KINDS
from trainer.data.dataset import LABELS, VOTES, Dataset, FaceSet
from trainer.data.fer2013 import toy_dataset
from trainer.evaluation import metrics, scoring
from trainer.evaluation.tta import VIEWS, shifted, ten_views

FACES = toy_dataset()["public_test"].take(slice(0, 70))


def drawn_logits(faces: FaceSet, lean: float = 2.0, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, 1, (len(faces), len(LABELS)))
    return (noise + lean * np.eye(len(LABELS))[faces.labels]).astype(np.float32)


def exam(new: NDArray[np.bool_] | None = None, votes: NDArray[np.uint8] | None = None) -> scoring.EvaluationSet:
    return scoring.EvaluationSet("public_test", FaceSet(FACES.images, FACES.labels, votes), new)


def test_faces_that_are_in_training_are_marked() -> None:
    twins = np.concatenate([FACES.images[:3], np.zeros((1, 48, 48), np.uint8)])
    training = FaceSet(twins, np.zeros(4, np.int64))
    splits = {"training": training, "public_test": FACES}
    found = scoring.set_exam(Dataset(splits, "planted"), "public_test")
    assert found.new is not None and np.flatnonzero(~found.new).tolist() == [0, 1, 2]
    assert scoring.set_exam(Dataset(splits, "planted"), "training").new is None
    assert scoring.set_exam(Dataset({"public_test": FACES}, "alone"), "public_test").new is None
    everything = {"training": FACES, "public_test": FACES}
    assert scoring.set_exam(Dataset(everything, "twins"), "public_test").new is None


def test_the_headline_is_the_single_view_on_all_faces_and_on_the_new_ones() -> None:
    logits, new = drawn_logits(FACES), np.arange(70) >= 20
    found = scoring.single_view(exam(new), logits, 1.5)
    apart = scoring.single_view(scoring.EvaluationSet("public_test", FACES.take(new), None), logits[new], 1.5)
    assert found["n"] == 70 and found["temperature"] == 1.5 and "fer_plus" not in found
    assert {"split": "public_test", "temperature": 1.5} | found["without_duplicates"] == {
        key: value for key, value in apart.items() if key != "without_duplicates"
    }
    assert apart["without_duplicates"] is None
    assert found["standard_error"] == pytest.approx((found["accuracy"] * (1 - found["accuracy"]) / 70) ** 0.5)


def test_calibration_before_is_temperature_one_and_after_is_the_headline() -> None:
    logits = drawn_logits(FACES)
    found = scoring.single_view(exam(), logits, 0.7)
    plain = metrics.softmax(logits)
    before, after = found["calibration"]["before"], found["calibration"]["after"]
    assert (before["temperature"], after["temperature"]) == (1.0, 0.7)
    assert before["ece"] == metrics.ece(plain, FACES.labels) and after["ece"] == found["ece"]
    assert before["nll"] == metrics.nll(plain, FACES.labels) and after["brier"] == found["brier"]
    assert before["nll_votes"] is None
    assert len(after["bins"]) == 15 and sum(each["n"] for each in after["bins"]) == 70
    gaps = (each["n"] * abs(each["confidence"] - each["accuracy"]) for each in after["bins"])
    assert sum(gaps) / 70 == pytest.approx(after["ece"])


def test_votes_that_agree_with_the_label_are_the_label() -> None:
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    votes = np.zeros((70, len(VOTES)), np.uint8)
    votes[np.arange(70), [VOTES.index(names[label]) for label in FACES.labels]] = 10
    found = scoring.single_view(exam(votes=votes), drawn_logits(FACES), 1.3)
    assert found["fer_plus"] == {"n": 70, "accuracy": found["accuracy"], "nll": pytest.approx(found["nll"])}
    for when in ("before", "after"):
        values = found["calibration"][when]
        assert values["nll_votes"] == pytest.approx(values["nll"])


def test_risk_coverage_ends_at_the_accuracy() -> None:
    scores = metrics.softmax(drawn_logits(FACES))
    found = scoring.risk_coverage(scores, FACES.labels)
    assert found["coverage"][-1] == 1.0 and found["coverage"] == sorted(set(found["coverage"]))
    assert found["accuracy"][-1] == pytest.approx((scores.argmax(1) == FACES.labels).mean())
    assert 0 < found["least_aurc"] < found["aurc"] < 1


def test_shifts_repeat_the_edge() -> None:
    face = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    assert shifted(face, 0, 0).tolist() == face.tolist()
    assert shifted(face, 1, 0)[0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert shifted(face, 0, -1)[0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    views = list(ten_views(face, 1))
    assert len(views) == VIEWS and len({view.tobytes() for view in views}) == VIEWS
    assert (views[0] == face).all() and (views[1] == face[:, :, ::-1]).all()


def test_several_views_average_scores() -> None:
    """A reader that sees the truth in every view but the plain one, where it sees nothing."""
    certain = 50 * np.eye(len(LABELS), dtype=np.float32)[FACES.labels]
    calls: list[NDArray[np.uint8]] = []

    def read(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        calls.append(faces)
        return certain if len(calls) > 1 else np.zeros_like(certain)

    found = scoring.several_views(exam(np.arange(70) > 9), read, 1.0, 2)
    assert len(calls) == VIEWS and (calls[0] == FACES.images).all()
    assert (found["mirrored"]["views"], found["ten_views"]["views"]) == (2, 10)
    assert found["mirrored"]["nll"] == pytest.approx(-np.log((1 / 7 + 1) / 2))
    assert found["ten_views"]["nll"] == pytest.approx(-np.log((1 / 7 + 9) / 10))
    assert found["ten_views"]["without_duplicates"]["n"] == 60


def test_against_itself_and_against_a_worse_one() -> None:
    logits, worse = drawn_logits(FACES, 3.0), drawn_logits(FACES, 0.0, seed=1)
    same = scoring.against(exam(), logits, logits)
    assert same["difference"] == 0 and same["p"] == 1 and same["without_duplicates"] is None
    found = scoring.against(exam(np.arange(70) % 2 == 0), logits, worse)
    assert found["difference"] > 0.3 and found["p"] < 0.001 and found["without_duplicates"]["n"] == 35


def test_corrupted_images_are_classified_kind_by_kind() -> None:
    """A predictor that is right on clean images and predicts happy for all others."""
    known = {face.tobytes(): label for face, label in zip(FACES.images, FACES.labels, strict=True)}
    happy = LABELS.index("happy")

    def read(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.eye(len(LABELS), dtype=np.float32)[[known.get(face.tobytes(), happy) for face in faces]]

    found = scoring.corrupted(read, FACES, seed=0, kinds=("gaussian_noise", "low_light"))
    share = float((FACES.labels == happy).mean())
    assert found["accuracy"] == 1.0 and found["faces"] == 70 and found["seed"] == 0
    assert list(found["kinds"]) == ["gaussian_noise", "low_light"]
    assert found["kinds"]["low_light"] == {
        "accuracy": [pytest.approx(share)] * 5, "mean": pytest.approx(share), "lost": pytest.approx(100 * (1 - share)),
    }  # fmt: skip
    assert found["by_severity"] == [pytest.approx(share)] * 5
    assert found["mean"] == found["relative"] == pytest.approx(share)
    assert list(scoring.corrupted(read, FACES.take(slice(0, 7)), 0)["kinds"]) == list(KINDS)


def test_columns_come_in_our_order(tmp_path: Path) -> None:
    backwards: Any = SimpleNamespace(
        labels=LABELS[::-1], logits=lambda faces: np.tile(np.arange(7, dtype=np.float32), (len(faces), 1))
    )
    assert scoring.reading(cast(Predictor, backwards), tmp_path)(FACES.images[:1]).tolist() == [[6, 5, 4, 3, 2, 1, 0]]
    with pytest.raises(ModelError, match="the model has the labels yes, no"):
        scoring.reading(cast(Predictor, SimpleNamespace(labels=("yes", "no"))), tmp_path)
