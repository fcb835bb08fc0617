"""QAT: int8 comes nearer to float, and the same seed gives the same network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.config import ConvertConfig, StudentConfig, TrainConfig
from trainer.data.fer2013 import toy_dataset
from trainer.export.calibration import activation_ranges, logits_of
from trainer.export.litert_export import to_float_tflite
from trainer.export.qat import fine_tune
from trainer.export.quantise import Ranges, to_int8_tflite
from trainer.models import ExpressionNet, build_student

CONFIG = TrainConfig(
    accelerator="cpu", threads=1, student=StudentConfig(channels=(8, 12, 16), tail=0, stem_stride=2),
    convert=ConvertConfig(qat_steps=20, qat_batch_size=32),
)  # fmt: skip


@pytest.fixture(scope="module")
def faces() -> NDArray[np.uint8]:
    return toy_dataset()["training"].images[:200]


@pytest.fixture(scope="module")
def network() -> ExpressionNet:
    torch.manual_seed(0)
    return build_student(CONFIG.student, 7).eval()


@pytest.fixture(scope="module")
def plain(network: ExpressionNet) -> bytes:
    return to_float_tflite(network, 48)


@pytest.fixture(scope="module")
def wide(plain: bytes, faces: NDArray[np.uint8]) -> Ranges:
    """Ranges twice as wide as the activations are, but for the input's."""
    measured = activation_ranges(plain, to_input(faces[:40], InputSpec(48)))
    first = next(iter(measured))
    return {n: (low, high) if n == first else (2 * low, 2 * high) for n, (low, high) in measured.items()}


def test_int8_comes_nearer_to_float(
    plain: bytes, wide: Ranges, network: ExpressionNet, faces: NDArray[np.uint8]
) -> None:
    inputs = to_input(faces, InputSpec(48))
    reference = logits_of(plain, inputs)
    errors = [
        float(((logits_of(to_int8_tflite(*pair), inputs) - reference) ** 2).mean())
        for pair in ((plain, wide), fine_tune(plain, wide, network, faces, CONFIG, print))
    ]
    assert errors[1] < 0.7 * errors[0]


def test_the_seed_decides(plain: bytes, wide: Ranges, network: ExpressionNet, faces: NDArray[np.uint8]) -> None:
    short = replace(CONFIG, convert=replace(CONFIG.convert, qat_steps=2))
    other = replace(short, student=replace(short.student, fit=replace(short.student.fit, seed=1)))
    one, again, differs = (fine_tune(plain, wide, network, faces, config, print) for config in (short, short, other))
    assert one == again and one[0] != differs[0]
    assert not any(p.grad is not None for p in network.parameters())
