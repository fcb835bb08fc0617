"""Every network by name, and their builders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import yaml
from torch import nn

from trainer.config import StudentConfig, StudyConfig, TeacherConfig
from trainer.models.compact import CompactTrunk
from trainer.models.expression_net import ExpressionNet
from trainer.models.input_adapter import FACE_SIDE, FormedTrunk
from trainer.models.iwin import IwinTrunk
from trainer.models.light_cnn import LightResNetTrunk, ResidualCNNTrunk
from trainer.models.mobilenet import LIGHT, V3_LARGE, V3_SMALL, MobileNetV2Trunk, MobileNetV3Trunk
from trainer.models.resnet import ResNetTrunk
from trainer.models.vgg import STAGES, VGGTrunk


def _compact(**options: Any) -> CompactTrunk:
    """The student of `StudentConfig`; options replace its settings."""
    config = replace(StudentConfig(), **options)
    return CompactTrunk(config.channels, config.tail, config.stem_stride, config.se, config.branches == "acb")


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "compact": _compact,
    **{name: partial(VGGTrunk, name) for name in STAGES},
    "resnet18": partial(ResNetTrunk, (2, 2, 2, 2), se=False),
    "resnet34": partial(ResNetTrunk, (3, 4, 6, 3), se=False),
    "resnet50": partial(ResNetTrunk, (3, 4, 6, 3), se=False, bottleneck=True),
    "resnet152": partial(ResNetTrunk, (3, 8, 36, 3), se=False, bottleneck=True),
    "se_resnet18": partial(ResNetTrunk, (2, 2, 2, 2), se=True),
    "se_resnet34": partial(ResNetTrunk, (3, 4, 6, 3), se=True),
    "se_resnet50": partial(ResNetTrunk, (3, 4, 6, 3), se=True, bottleneck=True),
    "mobilenet_v2": MobileNetV2Trunk,
    "mobilenet_v3_large": partial(MobileNetV3Trunk, V3_LARGE),
    "mobilenet_v3_small": partial(MobileNetV3Trunk, V3_SMALL, gated=True),
    "light_mobilenet": partial(MobileNetV2Trunk, LIGHT, last=128, last_stride=None, projected=False),
    "light_resnet": LightResNetTrunk,
    "residual_cnn": ResidualCNNTrunk,
    "iwin_tiny": IwinTrunk,
}
"""Trunks by name, by default for 48x48 grey faces; each has `out_features`."""


def build_network(name: str, classes: int, votes: int = 0, dropout: float = 0.0, **options: Any) -> ExpressionNet:
    """A network of `NETWORKS` with its heads.

    Args:
        name: key of `NETWORKS`.
        classes: number of emotions.
        votes: number of FER+ vote columns for the second head; 0 builds none.
        dropout: probability before the heads.
        options: of the trunk; see its class.
    """
    return ExpressionNet(NETWORKS[name](**options), classes, votes, dropout)


def build_teacher(config: TeacherConfig, classes: int, votes: int = 0) -> ExpressionNet:
    """A teacher as the config describes it."""
    options = {"width": config.width, "stem_stride": config.stem_stride}
    return build_network(config.family, classes, votes, config.dropout, **options)


def build_student(config: StudentConfig, classes: int, votes: int = 0) -> ExpressionNet:
    """A student as the config describes it."""
    names = ("channels", "tail", "stem_stride", "se", "branches")
    return build_network("compact", classes, votes, config.dropout, **{name: getattr(config, name) for name in names})


def build_study(config: StudyConfig, classes: int, votes: int = 0) -> ExpressionNet:
    """A network of a study as the config describes it; frozen stages have no gradient."""
    options = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in config.options)}
    options |= {"inputs": config.channels} if config.channels != 1 else {}
    options |= {"size": config.side} if config.side != FACE_SIDE else {}
    model = build_network(config.network, classes, votes, config.dropout, **options)
    if config.taught_from:
        _freeze_stages(model.trunk, config.taught_from)
    if (config.channels, config.side, config.scaling) != (1, FACE_SIDE, "unit"):
        model.trunk = FormedTrunk(model.trunk, config.channels, config.side, config.scaling)
    return model


def _freeze_stages(trunk: nn.Module, first: int) -> None:
    """Freeze the stages before the first one that is trained."""
    assert isinstance(trunk, ResNetTrunk), "only a ResNet's stages can be frozen"
    trunk.first_trained = first
    for number in range(first):
        trunk.stage(number).requires_grad_(False)
