"""The smoother's network in PyTorch, and its file for the device."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from device.vision.filters.gru import ELAPSED_S, MIN_LOG_SCORE, gru_filter, read_network
from trainer.artifacts.run_dir import write_bytes
from trainer.data.dataset import LABELS
from trainer.errors import GateError
from trainer.smoothing.clips import Batch

MAX_DIFFERENCE = 1e-4  # between the device's belief and PyTorch's


class SmootherNet(nn.Module):
    """A gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) and a linear layer.

    Args:
        size: of the state.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(len(LABELS) + 1, size, batch_first=True)
        self.head = nn.Linear(size, len(LABELS))

    def forward(self, scores: Tensor, elapsed_s: Tensor) -> Tensor:
        """Scores (C, T, K), times (C, T) to logits of the belief after each reading (C, T, K)."""
        logs = scores.clamp(min=math.exp(MIN_LOG_SCORE)).log()
        step = (15.0 * elapsed_s.clamp(*ELAPSED_S)).log()
        states, _ = self.gru(torch.cat([logs / 3.0 + 0.6, step.unsqueeze(-1) / 2.0], -1))
        logits: Tensor = self.head(states)
        return logits


def write_network(path: Path, network: SmootherNet) -> None:
    """Write the file that the device reads, about 20 kB.

    Raises:
        RunError: the file cannot be written; the old file stays.
    """
    state, head = network.gru.state_dict(), network.head.state_dict()
    buffer = io.BytesIO()
    np.savez(
        buffer,
        labels=np.array(LABELS),
        input_weights=state["weight_ih_l0"].numpy(),
        input_bias=state["bias_ih_l0"].numpy(),
        state_weights=state["weight_hh_l0"].numpy(),
        state_bias=state["bias_hh_l0"].numpy(),
        output_weights=head["weight"].numpy(),
        output_bias=head["bias"].numpy(),
    )
    write_bytes(path, buffer.getvalue())


def check_network(path: Path, network: SmootherNet, clips: Batch) -> None:
    """Compare the device's filter with PyTorch on the first clip.

    Raises:
        GateError: their beliefs differ.
    """
    with torch.no_grad():
        logits = network(torch.from_numpy(clips.scores[:1]), torch.from_numpy(clips.elapsed_s[:1]))
    filtered = gru_filter(read_network(path)[1])
    state = np.full(len(LABELS), 1.0 / len(LABELS))
    for scores, elapsed_s, wanted in zip(clips.scores[0], clips.elapsed_s[0], logits[0].softmax(-1), strict=True):
        state = filtered(state, scores.astype(np.float64), float(elapsed_s), 1.0)
        difference = float(np.abs(state[: len(LABELS)] - wanted.numpy()).max())
        if difference > MAX_DIFFERENCE:
            raise GateError(f"{path}: the device's belief differs from PyTorch's by {difference:.1g}.")
