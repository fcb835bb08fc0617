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


def distillation(student: Tensor, teachers: list[Tensor], temperature: float) -> Tensor:
    """KL from the teachers' mean softened distribution to the student's, times temperature squared.

    Hinton et al. 2015, arXiv:1503.02531. All logits are (N, K); several teachers are averaged as probabilities.
    """
    soft = torch.stack([functional.softmax(t.float() / temperature, 1) for t in teachers]).mean(0)
    logs = functional.log_softmax(student.float() / temperature, 1)
    return functional.kl_div(logs, soft, reduction="batchmean") * temperature**2
