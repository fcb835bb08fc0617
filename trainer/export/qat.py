"""The last lesson of a student: to say in int8 what it says in float.

A short fine-tune of the exported network with its rounding in the loop, taught by the network itself in float on the
same augmented views. No label is needed, and no face outside Training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import TrainConfig
from trainer.data.augment import Augment
from trainer.export.fake_quant import RoundedNet
from trainer.export.quantise import Ranges
from trainer.models import ExpressionNet
from trainer.training.batches import channels_last
from trainer.training.learner import pick_device
from trainer.training.losses import distillation, softened

WEIGHTS_LR = 1e-5  # at ten times that, the first steps lead away from the float network and the rest hardly come back
RANGES_LR = 3e-2  # a range is learnt as a factor on what was measured
REPORTS = 5  # times that a lesson tells how far it is


def teach_rounding(
    plain: bytes,
    ranges: Ranges,
    source: ExpressionNet,
    faces: NDArray[np.uint8],
    config: TrainConfig,
    say: Callable[[str], None],
) -> tuple[bytes, Ranges]:
    """Fine-tuned weights, as a float .tflite, and the ranges that go with them.

    Args:
        plain: the float .tflite of `source`.
        ranges: of its activations, to begin with.
        source: the network that is to be imitated.
        faces: of Training, uint8 (N, S, S).
        config: `convert` says how long; views are drawn as `augment` says.
        say: is told now and then how far the lesson is.

    Raises:
        GateError: the graph has an operator whose rounding is not known.
    """
    device, steps = pick_device(config), config.convert.qat_steps
    if config.threads:
        torch.set_num_threads(config.threads)
    net, source = RoundedNet(plain, ranges).to(device), copy.deepcopy(source).to(device).eval()
    views = Views(faces, config, device)
    optimizer = _optimizer(net)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    gap = torch.zeros((), device=device)
    every = max(1, steps // REPORTS)
    for step in range(1, steps + 1):
        gap += _step(net, source, views.draw(), optimizer) / every
        schedule.step()
        if step % every == 0:
            say(f"  step {step}/{steps}: int8 is {float(gap):.6f} nats from float on training views")
            gap.zero_()
    return net.float_tflite(), net.ranges()


class Views:
    """Training faces as the device would see them: augmented, in whole grey levels."""

    def __init__(self, faces: NDArray[np.uint8], config: TrainConfig, device: torch.device) -> None:
        self.generator = torch.Generator(device).manual_seed(config.student.fit.seed)
        self.augment = Augment(config.augment, self.generator)
        self.faces = torch.from_numpy(faces).to(device).unsqueeze(1)
        self.batch = config.convert.qat_batch_size

    def draw(self) -> Tensor:
        """A new batch, float (N, 1, S, S) in [0, 1]."""
        chosen = torch.randint(len(self.faces), (self.batch,), generator=self.generator, device=self.faces.device)
        views = (self.augment(self.faces[chosen] / 255) * 255).round() / 255
        return channels_last(views)


def _step(net: RoundedNet, source: ExpressionNet, views: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    """One step towards what `source` says; how far the batch's readings lay from it."""
    with torch.no_grad():
        trained = source(views)
    gap = distillation(net(views), softened([trained], 1.0), 1.0)
    optimizer.zero_grad(set_to_none=True)
    gap.backward()
    optimizer.step()
    return gap.detach()


def _optimizer(net: RoundedNet) -> torch.optim.Optimizer:
    """Adam, with a rate of its own for the ends of the ranges."""
    groups = [(net.weights, WEIGHTS_LR), (net.grids, RANGES_LR)]
    return torch.optim.Adam([{"params": part.parameters(), "lr": lr} for part, lr in groups])
