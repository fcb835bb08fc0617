"""McNemar's test and the paired difference, by hand, against chi-square, and by drawing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from trainer.evaluation.significance import compare


def outcomes(both: int, only_this: int, only_other: int, neither: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    pairs = [(True, True)] * both + [(True, False)] * only_this + [(False, True)] * only_other
    values = np.array(pairs + [(False, False)] * neither)
    return values[:, 0], values[:, 1]


def test_by_hand() -> None:
    found = compare(*outcomes(70, 9, 1, 20))
    assert found["n"] == 100 and (found["only_this"], found["only_other"]) == (9, 1)
    assert found["accuracy"] == 0.79 and found["other_accuracy"] == 0.71
    assert found["difference"] == pytest.approx(0.08)
    assert found["p"] == pytest.approx(2 * (1 + 10) / 2**10)  # ten coins, nine or more of one side
    ours, theirs = 10 / 102, 2 / 102
    reach = 1.959964 * ((ours + theirs - (ours - theirs) ** 2) / 102) ** 0.5
    assert found["ci95"] == pytest.approx([8 / 102 - reach, 8 / 102 + reach])


def test_the_other_way_round_only_the_signs_change() -> None:
    right, other = outcomes(50, 12, 30, 8)
    one, two = compare(right, other), compare(other, right)
    assert one["p"] == two["p"] and one["difference"] == -two["difference"]
    assert one["ci95"] == pytest.approx([-end for end in reversed(two["ci95"])])


def test_no_difference_is_no_proof() -> None:
    right, _ = outcomes(6, 0, 0, 4)
    found = compare(right, right)
    assert found["p"] == 1.0 and found["difference"] == 0 and found["ci95"][0] < 0 < found["ci95"][1]
    assert compare(*outcomes(0, 5, 5, 0))["p"] == 1.0


@pytest.mark.parametrize(("only_this", "only_other"), [(400, 330), (310, 300), (900, 800)])
def test_many_discordant_faces_agree_with_chi_square(only_this: int, only_other: int) -> None:
    """The exact p is what the statistic with Edwards' continuity correction approximates."""
    found = compare(*outcomes(2000, only_this, only_other, 500))
    statistic = (abs(only_this - only_other) - 1) ** 2 / (only_this + only_other)
    assert found["p"] == pytest.approx(chi2.sf(statistic, 1), rel=0.02)


def test_the_interval_holds_the_truth_19_times_in_20() -> None:
    """On 400 faces, of which one network alone gets 15 % right, the other 9 %."""
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        fate = draw.random(400)
        right, other = (fate < 0.15) | (fate > 0.6), (fate > 0.15) & (fate < 0.24) | (fate > 0.6)
        low, high = compare(right, other)["ci95"]
        held += low <= 0.06 <= high
    assert 0.935 < held / 2000 < 0.965
