"""Quantisation-aware training (QAT): the int8 network learns the logits of the float one.

A short fine-tune of the exported network with fake quantisation in the loop. The teacher is the
same network in float, on the same augmented views. It needs no label, and no face outside Training.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import TrainConfig
from trainer.data.augment import Augment, Random
from trainer.export.fake_quant import FakeQuantNet
from trainer.export.quantise import Ranges
from trainer.models import ExpressionNet
from trainer.training.batches import channels_last
from trainer.training.learner import pick_device
from trainer.training.losses import distillation, softened

WEIGHTS_LR = 1e-5  # at ten times that, the first steps leave the float network and the rest hardly return
RANGES_LR = 3e-2  # a range is trained as a factor on what was measured
REPORT_S = 15.0  # between two progress lines


def fine_tune(
    plain: bytes,
    ranges: Ranges,
    source: ExpressionNet,
    faces: NDArray[np.uint8],
    config: TrainConfig,
    report: Callable[[str], None],
) -> tuple[bytes, Ranges]:
    """Fine-tuned weights, as a float .tflite, and the ranges that go with them.

    Args:
        plain: the float .tflite of `source`.
        ranges: of its activations, to begin with.
        source: the same network in PyTorch: the teacher.
        faces: of Training, uint8 (N, S, S).
        config: `convert` has the number of steps, `augment` the views.
        report: called with a line of progress now and then.

    Raises:
        GateError: the graph has an operator that `FakeQuantNet` does not know.
    """
    device, steps = pick_device(config), config.convert.qat_steps
    if config.threads:
        torch.set_num_threads(config.threads)
    net, source = FakeQuantNet(plain, ranges).to(device), copy.deepcopy(source).to(device).eval()
    views = Views(faces, config, device)
    optimizer = _optimizer(net)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    gap, reported = torch.zeros((), device=device), 0
    began = shown = time.monotonic()
    for step in range(1, steps + 1):
        gap += _step(net, source, views.draw(), optimizer)
        schedule.step()
        now = time.monotonic()
        if step == steps or now - shown >= REPORT_S:
            left_min = (now - began) / step * (steps - step) / 60
            nats = float(gap) / (step - reported)
            report(f"  step {step}/{steps}: int8 is {nats:.6f} nats from float, about {left_min:.1f} minutes left")
            gap, reported, shown = torch.zeros_like(gap), step, now
    return net.float_tflite(), net.ranges()


class Views:
    """Training faces as a device would crop them: augmented, in whole grey levels."""

    def __init__(self, faces: NDArray[np.uint8], config: TrainConfig, device: torch.device) -> None:
        self.random = Random(device)
        self.random.seed(config.student.fit.seed)
        self.augment = Augment(config.augment, self.random)
        self.faces = torch.from_numpy(faces).to(device).unsqueeze(1)
        self.batch = config.convert.qat_batch_size

    def draw(self) -> Tensor:
        """A new batch, float (N, 1, S, S) in [0, 1]."""
        chosen = torch.randint(
            len(self.faces), (self.batch,), generator=self.random.generator, device=self.faces.device
        )
        views = (self.augment(self.faces[chosen] / 255) * 255).round() / 255
        return channels_last(views)


def _step(net: FakeQuantNet, source: ExpressionNet, views: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    """One step towards the teacher's logits; the loss of the batch before it."""
    with torch.no_grad():
        teacher = source(views)
    gap = distillation(net(views), softened([teacher], 1.0), 1.0)
    optimizer.zero_grad(set_to_none=True)
    gap.backward()
    optimizer.step()
    return gap.detach()


def _optimizer(net: FakeQuantNet) -> torch.optim.Optimizer:
    """Adam, with a rate of its own for the ends of the ranges."""
    groups = [(net.weights, WEIGHTS_LR), (net.grids, RANGES_LR)]
    return torch.optim.Adam([{"params": part.parameters(), "lr": lr} for part, lr in groups])
