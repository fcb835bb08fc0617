"""Golden outputs tell every label from every other, and so a label at the wrong output."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from device.inference import golden
from device.inference.classifier import PROFILES, Classifier
from device.inference.golden import MAX_STEPS, Golden
from device.inference.model_card import attach, network_digest, read_card
from device.model_registry.acceptance import output_problem, same_network_same_labels
from tests.support.tiny_models import LABELS, write_tiny


def bundled(profile: str) -> Golden:
    stored = golden.read(PROFILES[profile])
    assert stored is not None
    return stored


@pytest.mark.parametrize("profile", PROFILES)
def test_the_bundled_golden_outputs_tell_every_label_apart(profile: str) -> None:
    stored = bundled(profile)
    assert stored.network == network_digest(PROFILES[profile])
    assert stored.told_apart() > 2 * MAX_STEPS, "also on a machine that rounds differently"


@pytest.mark.parametrize("profile", PROFILES)
def test_two_labels_in_each_others_place_are_found(profile: str) -> None:
    stored = bundled(profile)
    assert stored.steps_off(stored) == 0
    for one, other in itertools.combinations(range(len(stored.labels)), 2):
        labels = list(stored.labels)
        labels[one], labels[other] = labels[other], labels[one]
        assert stored.steps_off(dataclasses.replace(stored, labels=tuple(labels))) > MAX_STEPS
    assert stored.steps_off(dataclasses.replace(stored, labels=("a", *stored.labels[1:]))) == float("inf")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_bundled_network_with_reversed_labels_is_refused(tmp_path: Path, profile: str) -> None:
    """Its middle label, happy, stays in place, and that is what it reads on the bundled face."""
    card, path = read_card(PROFILES[profile]), tmp_path / "reversed.tflite"
    old = Classifier(PROFILES[profile])
    angry, disgust, fear, happy, sad, *others = card.labels  # fear and sad are equal on the bundled face
    for labels in (card.labels[::-1], (angry, disgust, sad, happy, fear, *others)):
        relabelled = dataclasses.replace(card, labels=labels, golden_labels=())  # as in older cards
        path.write_bytes(attach(PROFILES[profile].read_bytes(), relabelled))
        problem = output_problem(Classifier(path), old)
        assert problem is not None and "label by label" in problem


def test_the_network_in_force_keeps_its_labels(tmp_path: Path) -> None:
    old = Classifier(write_tiny(tmp_path / "old.tflite"))
    new = Classifier(write_tiny(tmp_path / "new.tflite", LABELS[::-1], version="next"))
    same = Classifier(write_tiny(tmp_path / "same.tflite", version="next"))
    assert "under other labels" in str(same_network_same_labels(new, old))
    assert same_network_same_labels(same, old) is None and same_network_same_labels(new, None) is None


def test_the_card_binds_its_golden_outputs_to_the_labels(tmp_path: Path) -> None:
    path = PROFILES["fast"]
    classifier = Classifier(path)
    measured = golden.measure(path, classifier)
    card = dataclasses.replace(
        classifier.card, golden=measured.logits, golden_labels=measured.labels, golden_probes=measured.probes
    )
    good = tmp_path / "good.tflite"
    good.write_bytes(attach(path.read_bytes(), card))
    off = golden.steps_off_card(Classifier(good))
    assert off is not None and off <= MAX_STEPS
    probes = ((9.0,) * len(card.labels), *measured.probes[1:])
    good.write_bytes(attach(path.read_bytes(), dataclasses.replace(card, golden_probes=probes)))
    off = golden.steps_off_card(Classifier(good))
    assert off is not None and off > MAX_STEPS
