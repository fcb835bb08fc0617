"""The smoother's network: PyTorch and the device agree, and the loss has its terms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.smoothing.test_clips import maker
from trainer.data.dataset import LABELS
from trainer.errors import GateError
from trainer.smoothing.fit import belief_loss
from trainer.smoothing.network import SmootherNet, check_network, write_network


def test_the_device_gives_what_pytorch_gives(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network, clips = SmootherNet(6), maker().batch(2, 40, np.random.default_rng(0))
    write_network(tmp_path / "smoother.npz", network)
    check_network(tmp_path / "smoother.npz", network, clips)
    with pytest.raises(GateError, match="differs from PyTorch's"):
        check_network(tmp_path / "smoother.npz", SmootherNet(6), clips)


def test_the_loss_is_the_cross_entropy_and_the_unrest() -> None:
    uniform = torch.zeros(1, 3, len(LABELS))
    labels = torch.tensor([[2, 2, 2]])
    assert float(belief_loss(uniform, labels, 5.0)) == pytest.approx(math.log(len(LABELS)))
    moving = uniform.clone()
    moving[0, 1, 2] = 3.0
    calm, restless = (float(belief_loss(moving, labels, unrest)) for unrest in (0.0, 1.0))
    share = math.exp(3) / (math.exp(3) + len(LABELS) - 1)
    moved = 2 * (share - 1 / len(LABELS))  # of the belief, there and back
    assert restless - calm == pytest.approx(moved, rel=1e-4)
    changed = torch.tensor([[2, 3, 2]])  # where the label changes, the belief may move
    assert float(belief_loss(moving, changed, 1.0)) == float(belief_loss(moving, changed, 0.0))


def test_where_nothing_is_read_a_uniform_belief_costs_least() -> None:
    blank, belief = torch.full((1, 2), -1), torch.zeros(1, 2, len(LABELS))
    sure = belief.clone()
    sure[..., 0] = 2.0
    assert belief_loss(belief, blank, 1.0) < belief_loss(sure, blank, 1.0)
