"""What a network is taught to make small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def targets_of(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Target shares (N, K) of labels (N,): one-hot, with `smoothing` of it spread over all classes."""
    hot = functional.one_hot(labels, classes).float()
    return hot * (1 - smoothing) + smoothing / classes


def cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of logits (N, K) against shares (N, K); each face counts by the weight of its target, (K,)."""
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
    """Cross-entropy of the second head (N, V) against annotators' votes (N, V); faces nobody voted on do not count.

    The full distribution of votes is the target (Barsoum et al. 2016, arXiv:1608.01041).
    """
    total = votes.sum(1, keepdim=True)
    shares = votes / total.clamp_min(1e-6)
    losses = -(shares * functional.log_softmax(logits.float(), 1)).sum(1)
    counted = (total.squeeze(1) > 0).float()
    return (losses * counted).sum() / counted.sum().clamp_min(1)


def softened(logits: list[Tensor], temperature: float) -> Tensor:
    """Mean of several teachers' softened shares (N, K), each from logits (N, K)."""
    return torch.stack([functional.softmax(part.float() / temperature, 1) for part in logits]).mean(0)


def distillation(student: Tensor, trained: Tensor, temperature: float) -> Tensor:
    """KL from the teachers' softened shares (N, K) to the student's logits (N, K), times temperature squared.

    Hinton et al. 2015, arXiv:1503.02531.
    """
    logs = functional.log_softmax(student.float() / temperature, 1)
    return functional.kl_div(logs, trained, reduction="batchmean") * temperature**2


def correlation(student: Tensor, trained: Tensor, temperature: float) -> Tensor:
    """How far the student's ranking is from the teachers': 1 - Pearson over the classes, plus the same over the faces.

    DIST, Huang et al. 2022, arXiv:2205.10536, with both of its weights one. Logits (N, K), softened shares (N, K).
    """
    own = functional.softmax(student.float() / temperature, 1)
    return (_unlike(own, trained) + _unlike(own.T, trained.T)) * temperature**2


def _unlike(a: Tensor, b: Tensor) -> Tensor:
    """Mean of 1 - Pearson's r over the rows."""
    return 1 - functional.cosine_similarity(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True), dim=1).mean()
