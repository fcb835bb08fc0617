"""The whole conversion, without training: a random student whose logits differ by face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from device.inference.model_card import read_card
from trainer.artifacts.checkpoint import Checkpoint
from trainer.artifacts.predictor import CheckpointReader
from trainer.config import ConvertConfig, StudentConfig, TrainConfig
from trainer.data.dataset import LABELS, Dataset, FaceSet
from trainer.data.fer2013 import toy_dataset
from trainer.errors import DataError, GateError
from trainer.export import calibration
from trainer.export.convert import Converted, convert
from trainer.models import build_student

EASY = ConvertConfig(
    calibration_faces=60, refine_faces=10, margin_faces=0, min_agreement=0.8, max_accuracy_drop=0.1,
    qat_steps=4, qat_batch_size=16,
)  # fmt: skip
CONFIG = TrainConfig(accelerator="cpu", threads=1, convert=EASY)
SEARCH = replace(CONFIG, convert=replace(EASY, qat_steps=0))
GATES = {"parameters", "export", "ranges", "partition", "int8", "agreement", "accuracy", "size"}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    toy = toy_dataset()
    return Dataset({name: toy[name].take(slice(0, 120)) for name in ("training", "public_test")}, "toy")


@pytest.fixture(scope="module")
def checkpoint(dataset: Dataset) -> Checkpoint:
    """A random student; each class has logits of mean 0, deviation 1 over the training faces."""
    torch.manual_seed(0)
    config = StudentConfig(channels=(8, 12, 16), tail=0, stem_stride=2)
    model = build_student(config, len(LABELS)).eval()
    made = Checkpoint(model, "student", LABELS, TrainConfig(student=config), 1, {}, dataset.digest, ("a teacher",), {})
    logits = CheckpointReader(made).logits(dataset["training"].images)
    spread = torch.from_numpy(logits.std(0))
    with torch.no_grad():
        model.head.weight.div_(spread[:, None])
        model.head.bias.copy_((model.head.bias - torch.from_numpy(logits.mean(0))) / spread)
    return made


@pytest.fixture(scope="module")
def converted(checkpoint: Checkpoint, dataset: Dataset) -> Converted:
    return convert(checkpoint, dataset, CONFIG)


def test_every_gate_is_checked(converted: Converted) -> None:
    assert {gate.name for gate in converted.gates} >= GATES
    assert all(gate.ok and gate.detail for gate in converted.gates)


def test_the_card_names_data_teachers_and_labels(
    converted: Converted, dataset: Dataset, checkpoint: Checkpoint
) -> None:
    card = converted.card
    assert card.data_digest == dataset.digest and card.teachers == ("a teacher",) and card.labels == LABELS
    assert card.quantisation.output_scale > 0 and card.quantisation.dtype == "int8"
    assert [entry["n"] for entry in card.metrics] == [120]
    assert len(card.golden) == len(LABELS)
    assert card.metrics[0]["accuracy"] == pytest.approx(
        (
            CheckpointReader(checkpoint).logits(dataset["public_test"].images).argmax(1)
            == dataset["public_test"].labels
        ).mean(),
        abs=0.1,
    )


def test_ranges_can_be_searched_instead(
    checkpoint: Checkpoint, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SWEEPS", calibration.SWEEPS[:1])
    found = convert(checkpoint, dataset, SEARCH)
    assert {gate.name for gate in found.gates} >= GATES


def test_calibration_on_the_wrong_faces_fails_a_gate(checkpoint: Checkpoint, dataset: Dataset) -> None:
    """Nearly black faces give ranges that fit no real face: int8 then differs from float."""
    training = dataset["training"]
    black = np.random.default_rng(0).integers(0, 4, training.images.shape, np.uint8)
    dark = Dataset({"training": FaceSet(black, training.labels), "public_test": dataset["public_test"]}, "black faces")
    with pytest.raises(GateError, match=r"no model is written, it fails .*agreement \("):
        convert(checkpoint, dark, CONFIG)


def test_an_experiment_may_fail_gates_and_its_card_says_so(
    checkpoint: Checkpoint, dataset: Dataset, converted: Converted, tmp_path: Path
) -> None:
    strict = replace(CONFIG, convert=replace(EASY, max_parameters=10))
    found = convert(checkpoint, dataset, strict, allow_failed=True)
    (tmp_path / "model.tflite").write_bytes(found.model)
    assert found.card.failed_gates == read_card(tmp_path / "model.tflite").failed_gates == ("parameters",)
    assert not converted.card.failed_gates


def test_too_many_parameters_fail_before_any_work(checkpoint: Checkpoint, dataset: Dataset) -> None:
    with pytest.raises(GateError, match=r"it fails parameters \("):
        convert(checkpoint, dataset, replace(CONFIG, convert=replace(EASY, max_parameters=10)))


def test_a_dead_network_fails_the_ranges_gate(checkpoint: Checkpoint, dataset: Dataset) -> None:
    dead = build_student(checkpoint.config.student, len(LABELS)).eval()
    torch.nn.init.constant_(dead.trunk.stages[0].first[1].bias, -100.0)  # type: ignore[index, union-attr]
    with pytest.raises(GateError, match=r"it fails ranges \(dead: 0"):
        convert(replace(checkpoint, model=dead), dataset, CONFIG)


def test_a_data_set_without_public_test_is_refused(checkpoint: Checkpoint, dataset: Dataset) -> None:
    with pytest.raises(DataError, match="no public_test split"):
        convert(checkpoint, Dataset({"training": dataset["training"]}, "half"), CONFIG)
