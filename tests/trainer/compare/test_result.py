"""`ExperimentResult` and the JSON of row.json: its keys, and the files of earlier versions."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.trainer.compare.test_page import evaluated, untrained
from trainer.compare.result import EpochScores, ExperimentResult, History, Status

# row.json as version 0.1 wrote it, the scores shortened.
OLD = """{
  "key": "residual/flat", "study": "residual", "name": "flat", "published": "66.8 %", "note": "a note",
  "state": "trained", "why": "", "protocol": "original", "network": "residual_cnn",
  "epochs": {"planned": 30, "done": 30}, "parameters": 1483783, "macs": 88829824,
  "dynamics": {
    "best": {"epoch": 27, "train_accuracy": 0.8225, "accuracy": 0.6225, "top5": 0.979, "divergence": 0.2},
    "last": {"epoch": 30, "train_accuracy": 0.8341, "accuracy": 0.6177, "top5": 0.98, "divergence": 0.216},
    "r": null, "seconds": 141.5},
  "test": {"split": "private_test", "temperature": 1.0, "n": 3589, "accuracy": 0.62, "standard_error": 0.0081,
    "top5": 0.98, "macro_f1": 0.57, "weighted_f1": 0.61, "per_class": {}, "confusion": [[1, 0], [0, 1]],
    "without_duplicates": {"n": 3310, "accuracy": 0.594}, "weighted_precision": 0.6, "mean_auc": 0.88},
  "curve": [0.5, 0.6225, 0.6177], "test_seconds": 5.6, "taught_on": "CPU, 2 threads",
  "file": {"dtype": "int8", "bytes": 1511376, "accuracy": 0.6166, "agreement": 0.9682, "seconds": 2.1, "why_not": "",
    "gates_failed": ["size: 1,511,376 bytes, below 600,000"],
    "latency": {"median_ms": 0.44, "n": 1000, "machine": "x86_64", "pieces": 1, "outside": {}}},
  "faces": {"training": 28709, "validation": 3589, "test": 3589}, "tested_on": "PublicTest", "data": "fer2013",
  "data_digest": "abc"
}"""


def test_a_file_of_an_earlier_version_is_loaded_and_written_with_the_same_keys() -> None:
    result = ExperimentResult.from_json(json.loads(OLD))
    assert result.status is Status.EVALUATED and result.trained_on == "CPU, 2 threads"
    assert result.history is not None and result.history.last is not None and result.history.last.epoch == 30
    assert result.test is not None and result.test.without_duplicates == 0.594 and result.test.weighted_recall is None
    assert result.file is not None and result.file.latency is not None and result.file.latency.pieces == 1
    assert result.curve == (0.5, 0.6225, 0.6177) and result.model_digest is None
    assert result.to_json() == json.loads(OLD)


def test_every_result_survives_json() -> None:
    history = History(EpochScores(9, 0.6, 0.8, 0.9, 0.2), EpochScores(10, 0.5, 0.8, 0.9, 0.3), -0.5, 12.0)
    for result in (
        untrained("x"),
        replace(untrained("x"), status=Status.TRAINED, history=history, curve=(0.5, 0.6)),
        evaluated("x", 0.6),
        evaluated("x", 0.6, ms=None),
    ):
        assert ExperimentResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_what_a_newer_version_adds_is_ignored() -> None:
    assert ExperimentResult.from_json(untrained("x").to_json() | {"colour": "blue"}) == untrained("x")
