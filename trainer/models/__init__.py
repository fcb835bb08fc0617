"""The networks: a module for each family, one registry and one builder."""

from trainer.models.complexity import count_macs, count_parameters
from trainer.models.expression_net import ExpressionNet
from trainer.models.registry import NETWORKS, build_network, build_student, build_study, build_teacher

__all__ = [
    "NETWORKS",
    "ExpressionNet",
    "build_network",
    "build_student",
    "build_study",
    "build_teacher",
    "count_macs",
    "count_parameters",
]
