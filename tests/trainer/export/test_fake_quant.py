"""Fake quantisation must round as the file will: the PyTorch network against LiteRT's int8 one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from device.inference.model_card import InputSpec
from device.inference.preprocess import to_input
from trainer.config import StudentConfig
from trainer.data.fer2013 import toy_dataset
from trainer.errors import GateError
from trainer.export.calibration import activation_ranges, logits_of
from trainer.export.fake_quant import FakeQuantNet, Grid, Rounding
from trainer.export.litert_export import to_float_tflite
from trainer.export.quantise import to_int8_tflite
from trainer.models import build_student

SMALL = StudentConfig(channels=(8, 12, 16), tail=8)
KINDS = {"plain": SMALL, "stride 2": replace(SMALL, stem_stride=2), "squeezed": replace(SMALL, se=True)}


@pytest.fixture(scope="module")
def faces() -> NDArray[np.float32]:
    """Drawn faces and noise, as the network's input (N, 48, 48, 1)."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 48), np.uint8)
    return to_input(np.concatenate([toy_dataset()["training"].images[:100], noise]), InputSpec(48))


@pytest.fixture(scope="module", params=KINDS)
def rounded(request: pytest.FixtureRequest, faces: NDArray[np.float32]) -> FakeQuantNet:
    torch.manual_seed(0)
    model = build_student(KINDS[request.param], 7).train()
    for _ in range(3):
        model(torch.rand(16, 1, 48, 48))
    plain = to_float_tflite(model.eval(), 48)
    return FakeQuantNet(plain, activation_ranges(plain, faces[::4]))


def both(net: FakeQuantNet, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of the network and of the int8 file made of it, in steps of the output's grid."""
    low, high = net.ranges()[list(net.ranges())[-1]]
    with torch.inference_mode():
        simulated = net(torch.from_numpy(faces).permute(0, 3, 1, 2)).numpy()
    file = logits_of(to_int8_tflite(net.float_tflite(), net.ranges()), faces)
    return simulated * 255 / (high - low), file * 255 / (high - low)


def agree(simulated: NDArray[np.float32], file: NDArray[np.float32]) -> None:
    apart = np.abs(simulated - file).round()
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01, np.bincount(apart.astype(int).ravel())
    assert np.ptp(file) > 50 and len(np.unique(file.round())) > 20  # there is something to agree on


def test_the_logits_are_those_of_the_int8_file(rounded: FakeQuantNet, faces: NDArray[np.float32]) -> None:
    agree(*both(rounded, faces))


def test_the_logits_are_those_of_the_int8_file_after_training_too(
    rounded: FakeQuantNet, faces: NDArray[np.float32]
) -> None:
    views = torch.from_numpy(faces[::8]).permute(0, 3, 1, 2)
    optimizer = torch.optim.Adam(rounded.parameters(), 0.01)
    before = rounded.ranges()
    for _ in range(3):
        optimizer.zero_grad()
        rounded(views).square().sum().backward()
        optimizer.step()
    moved = [name for name, ends in rounded.ranges().items() if ends != before[name]]
    assert len(moved) > 0.6 * len(before)
    assert rounded.ranges()[next(iter(before))] == (0.0, 1.0)
    agree(*both(rounded, faces))


def test_rounding_keeps_to_the_grid() -> None:
    steps = Grid(-1.0, 1.55)(torch.tensor([[-3.0, -1.0, -0.006, 0.0, 0.014, 0.016, 9.0]]))
    assert steps.size.item() == pytest.approx(0.01)
    assert steps.count.tolist() == [[-100, -100, -1, 0, 1, 2, 155]]


def test_gradients_pass_straight_through_what_is_not_clipped() -> None:
    amount = torch.tensor([[-3.0, 0.2, 0.7, 9.0]], requires_grad=True)
    low, high = torch.tensor(-1.0, requires_grad=True), torch.tensor(1.55, requires_grad=True)
    ratio, bias = torch.full((1, 1), 100.0), torch.zeros(1, 1)
    (Rounding.apply(amount, ratio, bias, low, high).sum() * 0.01).backward()  # type: ignore[no-untyped-call]
    assert amount.grad is not None and amount.grad.tolist() == [[0, 1, 1, 0]]
    assert low.grad is not None and low.grad.item() == pytest.approx(1, abs=0.01)  # what lies below follows the low end
    assert high.grad is not None and high.grad.item() == pytest.approx(1, abs=0.01)


def test_a_range_learns_from_how_far_it_rounds() -> None:
    """0.3 of a step is lost on each value, which a wider step would give back."""
    low, high = torch.tensor(0.0, requires_grad=True), torch.tensor(255.0, requires_grad=True)
    counts = Rounding.apply(torch.full((1, 10), 10.3), torch.ones(1, 1), torch.zeros(1, 1), low, high)  # type: ignore[no-untyped-call]
    counts.sum().backward()
    assert high.grad is not None and high.grad.item() == pytest.approx(-10 * 0.3 / 255, rel=1e-3)


def test_an_unknown_operator_is_refused_by_name() -> None:
    network = build_student(SMALL, 7)
    network.trunk = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Hardswish(), nn.Conv2d(8, 16, 48), nn.Flatten())
    with pytest.raises(GateError, match="QAT cannot simulate the operator HARD_SWISH"):
        FakeQuantNet(to_float_tflite(network.eval(), 48), {})
