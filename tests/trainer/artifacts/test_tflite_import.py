"""A .tflite imported as a PyTorch network: same outputs, and batch-norms fit for training."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from device.inference.model_card import InputSpec, attach
from device.inference.preprocess import to_input
from trainer.artifacts.checkpoint import Checkpoint
from trainer.artifacts.loading import Network, load_network, load_teacher
from trainer.artifacts.predictor import ModelFileReader
from trainer.artifacts.tflite_import import recover
from trainer.config import StudentConfig, TrainConfig
from trainer.data.dataset import LABELS, Dataset
from trainer.data.fer2013 import toy_dataset
from trainer.errors import CheckpointError
from trainer.export.card import blank_card
from trainer.export.litert_export import to_float_tflite
from trainer.models import ExpressionNet, build_student
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


@pytest.fixture(scope="module")
def toy() -> Dataset:
    return toy_dataset()


@pytest.fixture(scope="module")
def shipped(toy: Dataset) -> Network:
    """The network of the shipped file, imported once; tests must not change it."""
    return load_network(SHIPPED, toy)


@pytest.fixture(scope="module")
def imported(faces: torch.Tensor) -> tuple[ExpressionNet, StudentConfig]:
    """The same, with the batch statistics of `faces`; tests must not change it."""
    model, config, _ = recover(SHIPPED, faces)
    return model, config


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


def test_batch_norms_are_fit_to_teach_with(faces: torch.Tensor, imported: tuple[ExpressionNet, StudentConfig]) -> None:
    """In training mode a batch-norm uses the batch's statistics: here those that were measured."""
    model = deepcopy(imported[0])
    model.dropout.p = 0.0
    with torch.no_grad():
        still, trained = model(faces), model.train()(faces)
    assert torch.allclose(still, trained, atol=0.02)
    assert all(not m._forward_pre_hooks for m in model.modules())


def test_the_shipped_file_reads_as_its_int8_self(toy: Dataset, shipped: Network) -> None:
    images = toy["public_test"].images
    inputs = torch.from_numpy(to_input(images, InputSpec(48))).permute(0, 3, 1, 2)
    with torch.no_grad():
        same = shipped.model(inputs).argmax(1).numpy() == ModelFileReader(SHIPPED).logits(images).argmax(1)
    assert same.mean() > 0.9  # drawn faces are nearly all close calls; real ones agree on 99 %
    assert "PublicTest" in shipped.name


def test_on_the_cpu_a_file_teaches_as_the_device_runs_it(toy: Dataset, shipped: Network) -> None:
    images = toy["public_test"].images
    inputs = torch.from_numpy(to_input(images, InputSpec(48))).permute(0, 3, 1, 2)
    teacher = load_teacher(SHIPPED, toy, torch.device("cpu"))
    said = teacher.model(inputs)
    assert torch.equal(said, torch.from_numpy(ModelFileReader(SHIPPED).logits(images)))
    assert teacher.name == shipped.name
    assert not any(True for _ in teacher.model.parameters())  # nothing in it could learn


def test_a_face_detector_is_no_student(tmp_path: Path, faces: torch.Tensor) -> None:
    card = blank_card(
        Checkpoint(build_student(FORMS[0], 7), "student", LABELS, TrainConfig(), 1, {}, "", (), {}), toy_dataset()
    )
    file = tmp_path / "face.tflite"
    file.write_bytes(attach(SHIPPED.with_name("face.tflite").read_bytes(), card))
    with pytest.raises(CheckpointError, match="not a compact student"):
        recover(file, faces)


def test_a_run_begins_with_the_weights_it_is_given(
    faces: torch.Tensor, shipped: Network, imported: tuple[ExpressionNet, StudentConfig]
) -> None:
    model = build_student(imported[1], len(LABELS), votes=10).eval()
    copy_weights(model, shipped)
    with torch.no_grad():
        assert torch.equal(model(faces), shipped.model(faces))


@pytest.mark.parametrize("other", [{"tail": 96}, {"tail": 0}, {"se": True}])
def test_weights_of_another_architecture_are_refused(
    shipped: Network, imported: tuple[ExpressionNet, StudentConfig], other: dict[str, object]
) -> None:
    with pytest.raises(CheckpointError, match="than the network to train"):
        copy_weights(build_student(replace(imported[1], **other), 7), shipped)  # type: ignore[arg-type]
