"""From PyTorch to int8 with a small random student: what must hold whatever the weights are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from device.inference.litert import load_interpreter
from device.inference.model_card import InputSpec
from device.inference.preprocess import dequantise, quantise, to_input
from trainer.config import ConvertConfig, StudentConfig
from trainer.data.fer2013 import toy_dataset
from trainer.export import calibration, gates
from trainer.export.calibration import activation_ranges, refine_ranges
from trainer.export.litert_export import fold_batch_norm, to_float_tflite
from trainer.export.quantise import Ranges, to_int8_tflite
from trainer.models import ExpressionNet, build_student
from trainer.models.reparam import BranchedConv

SMALL = StudentConfig(channels=(8, 12, 16), tail=8, stem_stride=2)
LIMITS = ConvertConfig()
Inputs = NDArray[np.float32]


@pytest.fixture(scope="module")
def network() -> ExpressionNet:
    """A student with a second head and with batch-norm statistics that are not the initial ones."""
    torch.manual_seed(0)
    model = build_student(SMALL, 7, votes=10).train()
    for _ in range(3):
        model(torch.rand(16, 1, 48, 48))
    return model.eval()


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return to_input(toy_dataset()["training"].images[:40], InputSpec(48))


@pytest.fixture(scope="module")
def plain(network: ExpressionNet) -> bytes:
    return to_float_tflite(network, 48)


@pytest.fixture(scope="module")
def ranges(plain: bytes, inputs: Inputs) -> Ranges:
    return activation_ranges(plain, inputs)


@pytest.fixture(scope="module")
def int8(plain: bytes, ranges: Ranges, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("int8") / "int8.tflite"
    path.write_bytes(to_int8_tflite(plain, ranges))
    return load_interpreter(path)


def logits_of(network: ExpressionNet, inputs: Inputs) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(inputs).permute(0, 3, 1, 2)).numpy())


def outputs_of(interpreter: Any, inputs: NDArray[Any]) -> NDArray[Any]:
    rows = []
    for face in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], face[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(rows)


def test_folding_batch_norm_changes_nothing(network: ExpressionNet, inputs: Inputs) -> None:
    folded = fold_batch_norm(network)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert folded.votes is None and network.votes is not None
    assert logits_of(folded, inputs) == pytest.approx(logits_of(network, inputs), abs=1e-4)


def test_the_float_file_has_the_logits_of_pytorch(
    plain: bytes, network: ExpressionNet, inputs: Inputs, tmp_path: Path
) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(plain)
    interpreter = load_interpreter(path)
    assert tuple(interpreter.get_input_details()[0]["shape"]) == (1, 48, 48, 1)
    assert outputs_of(interpreter, inputs) == pytest.approx(logits_of(network, inputs), abs=1e-4)


def test_names_are_short_and_differ(plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(plain)
    names = [d["name"] for d in load_interpreter(path).get_tensor_details() if d["name"]]
    assert max(map(len, names)) < 32 and len(set(names)) == len(names)


def test_ranges_hold_zero_and_the_input_is_exact(ranges: Ranges) -> None:
    assert all(low <= 0.0 <= high and high - low > 1e-6 for low, high in ranges.values())
    assert next(iter(ranges.values())) == (0.0, 1.0)


def test_a_percentile_leaves_the_extreme_faces_out(plain: bytes, inputs: Inputs, ranges: Ranges) -> None:
    clipped = activation_ranges(plain, inputs, 90)
    assert all(ranges[n][0] <= low and high <= ranges[n][1] for n, (low, high) in clipped.items())
    assert any(high < ranges[n][1] for n, (_, high) in clipped.items())


def test_a_range_that_is_far_too_wide_is_narrowed(
    plain: bytes, inputs: Inputs, ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SWEEPS", calibration.SWEEPS[:1])
    name = list(ranges)[5]
    low, high = ranges[name]
    refined = refine_ranges(plain, ranges | {name: (20 * low, 20 * high)}, inputs)
    assert refined[name][1] - refined[name][0] < 5 * (high - low)
    assert next(iter(refined.values())) == (0.0, 1.0)
    assert all(low <= 0.0 <= high for low, high in refined.values())


def test_the_int8_input_is_the_raw_pixel_minus_128(int8: Any) -> None:
    scale, zero_point = int8.get_input_details()[0]["quantization"]
    assert scale == np.float32(1 / 255) and zero_point == -128
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    packed = quantise(to_input(pixels, InputSpec(16)), scale, zero_point)
    assert (packed.ravel() == np.arange(256) - 128).all()


def test_int8_passes_the_structural_gates_and_has_nearly_the_same_logits(
    int8: Any, network: ExpressionNet, inputs: Inputs
) -> None:
    assert gates.int8(gates.Graph(int8), LIMITS).ok, gates.int8(gates.Graph(int8), LIMITS).detail
    assert gates.partition(gates.Graph(int8), LIMITS).ok, gates.partition(gates.Graph(int8), LIMITS).detail
    scale, zero_point = int8.get_output_details()[0]["quantization"]
    found = dequantise(outputs_of(int8, quantise(inputs, 1 / 255, -128)), scale, zero_point)
    expected = logits_of(network, inputs)
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected)


def test_an_operator_that_xnnpack_lacks_fails_the_partition_gate(inputs: Inputs, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_student(SMALL, 7)
    network.trunk = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Hardswish(), nn.Conv2d(8, 16, 48), nn.Flatten())
    plain = to_float_tflite(network.eval(), 48)
    path = tmp_path / "int8.tflite"
    path.write_bytes(to_int8_tflite(plain, activation_ranges(plain, inputs)))
    gate = gates.partition(gates.Graph(load_interpreter(path)), LIMITS)
    assert not gate.ok, gate.detail


def test_a_dead_relu_fails_the_ranges_gate(inputs: Inputs) -> None:
    torch.manual_seed(0)
    network = build_student(SMALL, 7)
    first = network.trunk.stages[0].first[1]  # type: ignore[index, union-attr]
    nn.init.constant_(first.bias, -100.0)
    measured = activation_ranges(to_float_tflite(network.eval(), 48), inputs)
    gate = gates.ranges(gates.Calibration(measured), LIMITS)
    assert not gate.ok and "depthwise_conv_2d" in gate.detail


def test_branches_are_folded_too(inputs: Inputs) -> None:
    torch.manual_seed(0)
    model = build_student(replace(SMALL, branches="acb"), 7).eval()
    folded = fold_batch_norm(model)
    assert not any(isinstance(m, nn.BatchNorm2d | BranchedConv) for m in folded.modules())
    assert logits_of(folded, inputs) == pytest.approx(logits_of(model, inputs), abs=1e-5)
