"""The training loss, a sum of terms.

To add a loss, write a function here and decorate it with `@term`. It returns None where the
config, the data or the missing teachers leave it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.config import DistillConfig, FitConfig


@dataclass(frozen=True)
class LossInputs:
    """What a loss term may use; all on the training device."""

    logits: Tensor  # (N, K)
    targets: Tensor  # (N, K) shares that sum to one
    class_weights: Tensor | None = None  # (K,)
    teacher_shares: Tensor | None = None  # (N, K) softened; None without teachers
    vote_logits: Tensor | None = None  # (N, V); None without the second head
    votes: Tensor | None = None  # (N, V) votes or shares of them


Term = Callable[[LossInputs, FitConfig, DistillConfig], Tensor | None]
TERMS: list[Term] = []


def term(function: Term) -> Term:
    """Make a function a term of the loss."""
    TERMS.append(function)
    return function


def total_loss(inputs: LossInputs, fit: FitConfig, distill: DistillConfig) -> Tensor:
    """The sum of all terms that apply, without shape."""
    values = (function(inputs, fit, distill) for function in TERMS)
    first, *others = (value for value in values if value is not None)
    return sum(others, start=first)


@term
def label_term(inputs: LossInputs, fit: FitConfig, distill: DistillConfig) -> Tensor | None:
    """Cross-entropy to the labels; with teachers it has the share that KL leaves."""
    loss = cross_entropy(inputs.logits, inputs.targets, inputs.class_weights)
    return loss if inputs.teacher_shares is None else (1 - distill.kl_weight) * loss


@term
def teacher_term(inputs: LossInputs, fit: FitConfig, distill: DistillConfig) -> Tensor | None:
    """KL to the teachers."""
    if inputs.teacher_shares is None:
        return None
    return distill.kl_weight * distillation(inputs.logits, inputs.teacher_shares, distill.temperature)


@term
def correlation_term(inputs: LossInputs, fit: FitConfig, distill: DistillConfig) -> Tensor | None:
    """DIST, correlation with the teachers."""
    if inputs.teacher_shares is None or not distill.dist_weight:
        return None
    return distill.dist_weight * correlation(inputs.logits, inputs.teacher_shares, distill.temperature)


@term
def votes_term(inputs: LossInputs, fit: FitConfig, distill: DistillConfig) -> Tensor | None:
    """Cross-entropy of the second head to the annotators' votes."""
    if inputs.vote_logits is None or inputs.votes is None:
        return None
    return fit.votes_weight * votes_loss(inputs.vote_logits, inputs.votes)


def targets_of(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Target shares (N, K) of labels (N,): one-hot, with `smoothing` spread over all classes."""
    hot = functional.one_hot(labels, classes).float()
    return hot * (1 - smoothing) + smoothing / classes


def cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of logits (N, K) to target shares (N, K).

    With `class_weights` (K,), each face counts by the weight of its target.
    """
    logs = functional.log_softmax(logits.float(), 1)
    if class_weights is None:
        return -(targets * logs).sum(1).mean()
    weighted = targets * class_weights
    return -(weighted * logs).sum() / weighted.sum()


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Inverse class frequencies (K,), scaled so that the weights of all faces average one."""
    counts = torch.bincount(labels, minlength=classes).float().clamp_min(1)
    return len(labels) / (classes * counts)


def votes_loss(logits: Tensor, votes: Tensor) -> Tensor:
    """Cross-entropy of the second head (N, V) to the annotators' votes (N, V).

    The target is the whole distribution of votes (Barsoum et al. 2016, arXiv:1608.01041). Faces
    without a vote do not count.
    """
    total = votes.sum(1, keepdim=True)
    shares = votes / total.clamp_min(1e-6)
    losses = -(shares * functional.log_softmax(logits.float(), 1)).sum(1)
    counted = (total.squeeze(1) > 0).float()
    return (losses * counted).sum() / counted.sum().clamp_min(1)


def softened(logits: list[Tensor], temperature: float) -> Tensor:
    """Mean softened shares (N, K) of several teachers, each given by its logits (N, K)."""
    return torch.stack([functional.softmax(part.float() / temperature, 1) for part in logits]).mean(0)


def distillation(student: Tensor, teachers: Tensor, temperature: float) -> Tensor:
    """KL divergence from the teachers to the student, times temperature squared.

    Hinton et al. 2015, arXiv:1503.02531.

    Args:
        student: logits (N, K).
        teachers: softened shares (N, K).
        temperature: by which the student's logits are divided.
    """
    logs = functional.log_softmax(student.float() / temperature, 1)
    return functional.kl_div(logs, teachers, reduction="batchmean") * temperature**2


def correlation(student: Tensor, teachers: Tensor, temperature: float) -> Tensor:
    """1 - Pearson's r of student and teachers over the classes, plus the same over the faces.

    DIST, Huang et al. 2022, arXiv:2205.10536, with both of its weights one; times temperature
    squared. Arguments as in `distillation`.
    """
    own = functional.softmax(student.float() / temperature, 1)
    return (_dissimilarity(own, teachers) + _dissimilarity(own.T, teachers.T)) * temperature**2


def _dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """Mean of 1 - Pearson's r over the rows."""
    return 1 - functional.cosine_similarity(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True), dim=1).mean()
