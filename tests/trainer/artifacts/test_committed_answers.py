"""`trainer/answers`: what the committed network says of some views, to distil from on any CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from device.inference.model_card import read_card
from tests.support.replays import FER2013, needs_fer2013
from trainer.artifacts.answers_file import MAX_BYTES, Answers, decode, files_in, read_answers
from trainer.cli import RECIPES
from trainer.config import TrainConfig, load_config
from trainer.data.augment import Random
from trainer.data.dataset import LABELS
from trainer.data.fer2013 import load_dataset
from trainer.training.answered_views import SeededViews
from trainer.training.learner import Task, build_views, training_faces

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "trainer/answers"


@pytest.fixture(scope="module")
def answers() -> Answers:
    return read_answers([FOLDER])


def recipe(name: str) -> TrainConfig:
    return load_config(RECIPES / f"{name}.yaml")


def test_they_are_the_committed_networks_and_whole(answers: Answers) -> None:
    card, header = read_card(ROOT / "device/models/emotion.tflite"), answers.header
    (teacher,) = header.teachers.values()
    assert f"{card.name} {card.version}" in teacher
    assert (header.count, header.labels) == (28_709, LABELS)
    assert list(answers.views) == list(range(20)) and not answers.missing
    assert all(file.stat().st_size <= MAX_BYTES for file in files_in(FOLDER))
    sums = np.exp(decode(answers.views[19].codes)).sum(1)
    assert np.abs(sums - 1).max() < 0.1 and abs(float(sums.mean()) - 1) < 0.01


@pytest.mark.parametrize("name", ["record", "fast", "sturdy"])
def test_a_recipe_draws_the_same_views(answers: Answers, name: str) -> None:
    config, header = recipe(name), answers.header
    fit = config.student.fit
    assert vars(config.augment) == header.augment
    assert (fit.mixup, fit.mixup_share) == (header.mixup, header.mixup_share)
    assert (config.distill.temperature, config.distill.mirror) == (header.temperature, header.mirror)


@pytest.mark.slow
@needs_fer2013
def test_they_belong_to_the_views_of_fer2013(answers: Answers) -> None:
    task = Task("student", recipe("fast"), load_dataset(str(FER2013)), ())
    views = build_views(task, training_faces(task), Random(torch.device("cpu")))
    drawn = SeededViews(views, answers.header.seed).draw(7)
    answer = answers.views[7]
    assert (drawn.signature() == answer.signature).all()
    said = decode(answer.codes).argmax(1)
    assert 0.6 < float((said == drawn.targets.argmax(1).numpy()).mean()) < 0.9
