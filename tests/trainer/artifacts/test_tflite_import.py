"""A .tflite becomes a network again: the same function, with batch-norms to train further."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from device.inference.model_card import InputSpec, attach
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import Checkpoint
from trainer.artifacts.loading import load_network, load_teacher
from trainer.artifacts.predictor import ModelFileReader
from trainer.artifacts.tflite_import import recover
from trainer.config import StudentConfig, TrainConfig
from trainer.data.dataset import LABELS
from trainer.data.fer2013 import toy_dataset
from trainer.errors import CheckpointError
from trainer.export.card import blank_card
from trainer.export.litert_export import to_float_tflite
from trainer.models import build_student
from trainer.training.init_weights import copy_weights

SHIPPED = Path(__file__).parents[3] / "device/models/emotion.tflite"
FORMS = (
    StudentConfig(channels=(8, 12, 16), tail=10),
    StudentConfig(channels=(8, 12, 16), tail=0, stem_stride=2, se=True),
)


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    images = toy_dataset()["training"].images[:64]
    return torch.from_numpy(to_input(images, InputSpec(48))).permute(0, 3, 1, 2)


@pytest.mark.parametrize("config", FORMS, ids=["tail", "squeeze"])
def test_the_network_in_a_float_file_is_the_one_that_was_exported(
    tmp_path: Path, faces: torch.Tensor, config: StudentConfig
) -> None:
    torch.manual_seed(0)
    model = build_student(config, len(LABELS), votes=3).eval()
    checkpoint = Checkpoint(model, "student", LABELS, TrainConfig(student=config), 1, {}, "", (), {})
    file = tmp_path / "float.tflite"
    file.write_bytes(attach(to_float_tflite(model, 48), blank_card(checkpoint, toy_dataset())))
    found, built, _ = recover(file, faces)
    assert (built.channels, built.tail, built.stem_stride, built.se) == (
        (config.channels, config.tail, config.stem_stride, config.se)
    )
    with torch.no_grad():
        assert torch.allclose(found(faces), model(faces), atol=1e-3)


def test_batch_norms_can_be_trained_further(faces: torch.Tensor) -> None:
    """In training mode a batch-norm uses the batch's statistics: here those that were measured."""
    model, _, _ = recover(SHIPPED, faces)
    model.dropout.p = 0.0
    with torch.no_grad():
        still, trained = model(faces), model.train()(faces)
    assert torch.allclose(still, trained, atol=0.02)
    assert all(not m._forward_pre_hooks for m in model.modules())


def test_the_shipped_file_classifies_like_its_int8_form() -> None:
    data = toy_dataset()
    network = load_network(SHIPPED, data)
    images = data["public_test"].images
    inputs = torch.from_numpy(to_input(images, InputSpec(48))).permute(0, 3, 1, 2)
    with torch.no_grad():
        same = network.model(inputs).argmax(1).numpy() == ModelFileReader(SHIPPED).logits(images).argmax(1)
    assert same.mean() > 0.9  # drawn faces are nearly all close calls; real ones agree on 99 %
    assert "PublicTest" in network.name


def test_on_the_cpu_a_teacher_file_is_run_as_on_the_device() -> None:
    data = toy_dataset()
    images = data["public_test"].images
    inputs = torch.from_numpy(to_input(images, InputSpec(48))).permute(0, 3, 1, 2)
    teacher = load_teacher(SHIPPED, data, torch.device("cpu"))
    logits = teacher.model(inputs)
    assert torch.equal(logits, torch.from_numpy(ModelFileReader(SHIPPED).logits(images)))
    assert teacher.name == load_network(SHIPPED, data).name
    assert not any(True for _ in teacher.model.parameters())  # nothing to train


def test_a_face_detector_is_no_student(tmp_path: Path, faces: torch.Tensor) -> None:
    card = blank_card(
        Checkpoint(build_student(FORMS[0], 7), "student", LABELS, TrainConfig(), 1, {}, "", (), {}), toy_dataset()
    )
    file = tmp_path / "face.tflite"
    file.write_bytes(attach(SHIPPED.with_name("face.tflite").read_bytes(), card))
    with pytest.raises(CheckpointError, match="not a compact student"):
        recover(file, faces)


def test_a_run_starts_with_the_weights_it_is_given(faces: torch.Tensor) -> None:
    start = load_network(SHIPPED, toy_dataset())
    _, config, _ = recover(SHIPPED, faces)
    model = build_student(config, len(LABELS), votes=10).eval()
    copy_weights(model, start)
    with torch.no_grad():
        assert torch.equal(model(faces), start.model(faces))


@pytest.mark.parametrize("other", [{"tail": 96}, {"tail": 0}, {"se": True}])
def test_weights_of_another_architecture_are_refused(faces: torch.Tensor, other: dict[str, object]) -> None:
    _, config, _ = recover(SHIPPED, faces)
    with pytest.raises(CheckpointError, match="than the network to train"):
        copy_weights(build_student(replace(config, **other), 7), load_network(SHIPPED, toy_dataset()))  # type: ignore[arg-type]
