"""A run in figures."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.evaluation.history import dynamics


def epochs(accuracies: list[float], losses: list[float]) -> list[dict[str, Any]]:
    return [
        {"epoch": n, "accuracy": a, "loss_public": loss, "train_accuracy": a + 0.1 * n, "top5": 0.9, "seconds": 2.0}
        for n, (a, loss) in enumerate(zip(accuracies, losses, strict=True), start=1)
    ]


def test_best_last_and_how_far_they_part() -> None:
    found = dynamics(epochs([0.4, 0.6, 0.5], [1.4, 1.0, 1.2]))
    assert (found["best"]["epoch"], found["best"]["accuracy"], found["last"]["epoch"]) == (2, 0.6, 3)
    assert found["best"]["divergence"] == pytest.approx(0.2) and found["last"]["divergence"] == pytest.approx(0.3)
    assert found["seconds"] == 6 and found["last"]["top5"] == 0.9


def test_loss_that_falls_as_accuracy_rises() -> None:
    assert dynamics(epochs([0.4, 0.5, 0.6], [3.0, 2.0, 1.0]))["r"] == pytest.approx(-1)
    assert dynamics(epochs([0.4, 0.5, 0.6], [1.0, 2.0, 3.0]))["r"] == pytest.approx(1)


@pytest.mark.parametrize(("accuracies", "losses"), [([0.4, 0.5], [1.0, 2.0]), ([0.4] * 3, [1.0, 2.0, 3.0])])
def test_an_undefined_correlation_is_none(accuracies: list[float], losses: list[float]) -> None:
    assert dynamics(epochs(accuracies, losses))["r"] is None
