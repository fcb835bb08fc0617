"""Valence: which label counts as what, and that the shares add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.inference.classifier import PROFILES
from device.inference.model_card import read_card
from device.valence import SIGNS, Valence

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.mark.parametrize(
    ("label", "share"),
    [
        ("happy", "positive"),
        ("angry", "negative"),
        ("disgust", "negative"),
        ("fear", "negative"),
        ("sad", "negative"),
        ("neutral", "neutral"),
        ("surprise", "neutral"),
        ("Happiness", "positive"),
    ],
)
def test_each_label_counts_on_one_side(label: str, share: str) -> None:
    assert vars(Valence.of({label: 1.0})) == {"positive": 0.0, "negative": 0.0, "neutral": 0.0} | {share: 1.0}


@given(st.lists(st.integers(0, 100), min_size=7, max_size=7).filter(any))
def test_the_shares_add_up_to_one(counts: list[int]) -> None:
    valence = Valence.of({label: count / sum(counts) for label, count in zip(LABELS, counts, strict=True)})
    assert valence is not None
    assert valence.positive + valence.negative + valence.neutral == pytest.approx(1)
    assert all(0 <= share <= 1 + 1e-9 for share in vars(valence).values())


@pytest.mark.parametrize("labels", [{"happy": 0.5, "bored": 0.5}, {}])
def test_an_unknown_label_or_none_at_all_has_no_valence(labels: dict[str, float]) -> None:
    assert Valence.of(labels) is None


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_bundled_networks_have_a_valence(profile: str) -> None:
    assert set(read_card(PROFILES[profile]).labels) <= SIGNS.keys()
