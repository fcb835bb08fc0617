"""The networks: one page a family, one builder for all of them.

Every network is an `ExpressionNet`: a trunk that turns faces into features, a head that turns features into logits,
and, while training only, an optional second head for FER+ votes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import StudentConfig, TeacherConfig
from trainer.models.branches import fuse_branches
from trainer.models.compact import CompactTrunk
from trainer.models.resnet import ResNetTrunk
from trainer.models.vgg import VGGTrunk

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


class ExpressionNet(nn.Module):
    """Faces to emotion logits.

    Args:
        trunk: module with `out_features`; (N, 1, 48, 48) float in [0, 1] -> (N, out_features).
        classes: number of emotions.
        votes: number of FER+ vote columns for the second head; 0 builds none.
        dropout: probability before the heads.
    """

    def __init__(self, trunk: nn.Module, classes: int, votes: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        features = int(trunk.out_features)  # type: ignore[arg-type]
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)
        self.votes = nn.Linear(features, votes) if votes else None

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (N, classes) of faces (N, 1, 48, 48)."""
        return self.head(self.dropout(self.trunk(faces)))  # type: ignore[no-any-return]

    def heads(self, faces: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (N, classes) and, where there is a second head, vote logits (N, votes)."""
        features = self.dropout(self.trunk(faces))
        return self.head(features), self.votes(features) if self.votes is not None else None


def build_teacher(config: TeacherConfig, classes: int, votes: int = 0) -> ExpressionNet:
    """A teacher as the config describes it."""
    return ExpressionNet(_teacher_trunk(config), classes, votes, config.dropout)


def _teacher_trunk(config: TeacherConfig) -> nn.Module:
    if config.family.startswith("vgg"):
        return VGGTrunk(config.family, config.width, config.stem_stride)
    family = config.family.removeprefix("se_")
    return ResNetTrunk(DEPTHS[family], config.family.startswith("se_"), config.width, config.stem_stride)


def build_student(config: StudentConfig, classes: int, votes: int = 0) -> ExpressionNet:
    """A student as the config describes it."""
    trunk = CompactTrunk(config.channels, config.tail, config.stem_stride, config.se, config.branches == "acb")
    return ExpressionNet(trunk, classes, votes, config.dropout)


def count_parameters(model: nn.Module) -> int:
    """Parameters that the device will hold: what serves training only, the second head and branches, is left out."""
    held = fuse_branches(model).named_parameters()
    return sum(p.numel() for name, p in held if not name.startswith("votes."))


@torch.no_grad()
def count_macs(model: nn.Module, size: int = 48) -> int:
    """Multiply-accumulates of all convolutions and linear layers for one (1, 1, size, size) face."""
    total = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules()]
    was_training = model.training
    parameter = next(model.parameters())
    model.eval()(torch.zeros(1, 1, size, size, device=parameter.device, dtype=parameter.dtype))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return total
