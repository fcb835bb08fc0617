"""Losses against torch's own and against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from trainer.config import DistillConfig, FitConfig
from trainer.training.losses import (
    LossInputs,
    balanced_weights,
    correlation,
    cross_entropy,
    distillation,
    softened,
    targets_of,
    total_loss,
    votes_loss,
)


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(16, 7, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(7, (16,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> None:
    expected = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    assert torch.allclose(cross_entropy(logits, targets_of(labels, 7, smoothing)), expected)


def test_class_weights_are_torchs(logits: torch.Tensor, labels: torch.Tensor) -> None:
    weights = balanced_weights(labels, 7)
    expected = functional.cross_entropy(logits, labels, weights)
    assert torch.allclose(cross_entropy(logits, targets_of(labels, 7, 0.0), weights), expected)


def test_balanced_weights_average_one_over_faces(labels: torch.Tensor) -> None:
    labels = torch.cat([labels, torch.arange(7)])
    assert float(balanced_weights(labels, 7)[labels].mean()) == pytest.approx(1, abs=1e-5)


def test_votes_nobody_cast_do_not_count() -> None:
    votes = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert float(votes_loss(torch.zeros(2, 2), votes)) == pytest.approx(math.log(2))
    assert float(votes_loss(torch.zeros(1, 2), torch.zeros(1, 2))) == 0


def test_distillation_is_zero_for_a_perfect_student(logits: torch.Tensor) -> None:
    assert float(distillation(logits, softened([logits], 3.0), 3.0)) == pytest.approx(0, abs=1e-6)
    assert float(distillation(logits, softened([-logits], 3.0), 3.0)) > 0.1


def test_distillation_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    p = 1 / (1 + math.exp(-1))  # at temperature 2
    expected = (p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)) * 4
    assert float(distillation(student, softened([teacher], 2.0), 2.0)) == pytest.approx(expected, rel=1e-5)


def test_two_teachers_are_averaged_as_probabilities() -> None:
    teachers = [torch.tensor([[20.0, 0.0]]), torch.tensor([[0.0, 20.0]])]
    assert float(distillation(torch.zeros(1, 2), softened(teachers, 1.0), 1.0)) == pytest.approx(0, abs=1e-5)


def test_correlation_is_pearsons(logits: torch.Tensor) -> None:
    teacher = torch.randn(16, 7, generator=torch.Generator().manual_seed(2))
    own, soft = (functional.softmax(x / 2, 1) for x in (logits, teacher))
    faces = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(own, soft, strict=True)]).mean()
    classes = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(own.T, soft.T, strict=True)]).mean()
    assert float(correlation(logits, softened([teacher], 2.0), 2.0)) == pytest.approx(
        4 * float(2 - faces - classes), abs=1e-4
    )


def test_correlation_sees_order_not_scale(logits: torch.Tensor) -> None:
    assert float(correlation(logits, softened([logits], 2.0), 2.0)) == pytest.approx(0, abs=1e-5)


def test_the_loss_is_the_sum_of_the_terms_that_apply(logits: torch.Tensor, labels: torch.Tensor) -> None:
    targets, teachers = targets_of(labels, 7, 0.0), softened([-logits], 2.0)
    votes = torch.ones(16, 3)
    fit, distill = FitConfig(votes_weight=0.5), DistillConfig(kl_weight=0.75, dist_weight=2.0, temperature=2.0)
    alone = LossInputs(logits, targets)
    assert torch.equal(total_loss(alone, fit, distill), cross_entropy(logits, targets))
    all_inputs = LossInputs(logits, targets, None, teachers, logits[:, :3], votes)
    expected = (
        0.25 * cross_entropy(logits, targets)
        + 0.75 * distillation(logits, teachers, 2.0)
        + 2.0 * correlation(logits, teachers, 2.0)
        + 0.5 * votes_loss(logits[:, :3], votes)
    )
    assert torch.allclose(total_loss(all_inputs, fit, distill), expected)
