"""Seeded views are drawn alike everywhere, and each answer belongs to its view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.training.test_learner import config
from trainer.artifacts.answers_file import Answers, AnswersWriter, read_answers
from trainer.artifacts.loading import Network
from trainer.augment_config import AugmentConfig
from trainer.config import DistillConfig, TrainConfig
from trainer.data.augment import Random, SeededRandom
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import toy_dataset
from trainer.errors import CheckpointError
from trainer.models import build_student
from trainer.training.answered_views import (
    AnsweredViews,
    DrawnView,
    SeededViews,
    collect_answers,
    header_for,
    require_fit,
)
from trainer.training.learner import Task, build_views, training_faces
from trainer.training.teachers import Teachers

CPU = torch.device("cpu")
EVERYTHING = AugmentConfig(crop=0.5, noise=0.06, erase=0.5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset({name: split.take(slice(0, 140)) for name, split in toy_dataset().splits.items()}, "toy")


@pytest.fixture(scope="module")
def task(dataset: Dataset) -> Task:
    torch.manual_seed(0)
    teachers = tuple(Network(build_student(config().student, 7).eval(), name) for name in ("one", "other"))
    distill = DistillConfig(mirror=True, temperature=2.0)
    settings = replace(config(distill, mixup=0.4, mixup_share=0.5), augment=EVERYTHING)
    return Task("student", settings, dataset, teachers)


def series(task: Task, device: torch.device = CPU, seed: int = 0) -> SeededViews:
    return SeededViews(build_views(task, training_faces(task), Random(device)), seed)


@pytest.fixture(scope="module")
def answers(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder = tmp_path_factory.mktemp("answers")
    writer = AnswersWriter(folder, header_for(training_faces(task), task.config, task.fit, task.teachers))
    collect_answers(series(task), Teachers(task.teachers, task.config, CPU).classify, writer, 3)
    return read_answers([folder])


def answered(task: Task, answers: Answers, mirror: bool = False, temperature: float = 2.0) -> AnsweredViews:
    random = Random(CPU)
    random.seed(5)
    return AnsweredViews(build_views(task, training_faces(task), random), answers, mirror, temperature, random)


def test_the_numbers_of_a_seed_never_change() -> None:
    """Literal values: with other numbers, every file of answers in the world is worthless."""
    random = SeededRandom(CPU)
    random.seed(7, 3)
    drawn = [*random.uniform(2).tolist(), random.chance(), random.beta(0.4), *random.order(5).tolist()]
    assert drawn == pytest.approx(NUMBERS, abs=1e-6)
    assert random.normal(torch.Size((2, 1, 2, 2))).flatten().tolist() == pytest.approx(NOISE, abs=1e-6)


NUMBERS = [0.95414329, -0.47911322, 0.75650079, 0.20135037, 4, 0, 2, 1, 3]
NOISE = [
    *(-0.09793537, 1.01478326, 0.76853782, 0.30638275),
    *(0.52940762, 2.03511524, 0.20219477, 2.57022214),
]


def test_views_repeat_and_differ_by_number_and_seed(task: Task) -> None:
    first, again, next_one, other = (
        series(task, seed=seed).draw(number).faces for seed, number in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, next_one) and not torch.equal(first, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here to compare with the CPU")
def test_a_gpu_draws_the_same_views(task: Task) -> None:
    on_gpu = series(task, torch.device("cuda"))
    for number in range(3):
        one, other = series(task).draw(number), on_gpu.draw(number)
        apart = (one.faces.int() - other.faces.cpu().int()).abs()
        assert int(apart.max()) <= 1  # of 255 grey levels
        assert torch.allclose(one.targets, other.targets.cpu(), atol=1e-6)


def test_noise_is_normal_and_each_face_has_its_own() -> None:
    random = SeededRandom(CPU)
    random.seed(0, 0)
    drawn = random.normal(torch.Size((64, 1, 48, 48))).flatten(1)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02) and float(drawn.std()) == pytest.approx(1, abs=0.02)
    assert float(torch.corrcoef(drawn).fill_diagonal_(0).abs().max()) < 0.12


def test_an_answer_belongs_to_its_view(task: Task, answers: Answers) -> None:
    views, teachers = answered(task, answers, mirror=True), Teachers(task.teachers, task.config, CPU)
    index = torch.randperm(140)[:28]
    views.begin(4)
    batch = views.batch(index)
    assert batch.teacher_shares is not None
    assert torch.allclose(teachers.classify(batch.faces), batch.teacher_shares, atol=0.01)
    assert torch.allclose(batch.targets.sum(1), torch.ones(28), atol=1e-5)
    views.begin(1)  # of three, the fifth and the second are the same
    rolled = views.batch(index)
    assert torch.equal(rolled.targets, batch.targets)
    assert torch.equal(rolled.teacher_shares, batch.teacher_shares)  # type: ignore[arg-type]
    views.begin(2)
    assert not torch.equal(views.batch(index).faces, batch.faces)


def test_another_temperature_softens_the_answers(task: Task, answers: Answers) -> None:
    soft, softer = (answered(task, answers, temperature=temperature) for temperature in (2.0, 4.0))
    soft.begin(0)
    softer.begin(0)
    assert torch.allclose(torch.softmax(soft.shares.log() / 2, 1), softer.shares, atol=1e-5)


def test_answers_fit_their_run_alone(task: Task, dataset: Dataset, answers: Answers) -> None:
    def check(settings: TrainConfig, data: Dataset = dataset) -> None:
        own = replace(task, config=settings, dataset=data)
        require_fit(answers, training_faces(own), settings, own.fit)

    fit = task.config.student.fit
    student = task.config.student
    check(replace(task.config, student=replace(student, fit=replace(fit, seed=3, lr=0.2, label_smoothing=0.1))))
    with pytest.raises(CheckpointError, match=r"do not fit this run: augment\.noise is 0\.06 instead of 0\.0\."):
        check(replace(task.config, augment=replace(EVERYTHING, noise=0.0)))
    with pytest.raises(CheckpointError, match=r"mixup is 0\.4 instead of 0\.0\."):
        check(replace(task.config, student=replace(student, fit=replace(fit, mixup=0.0))))
    fewer = Dataset(dataset.splits | {"training": dataset["training"].take(slice(0, 139))}, "toy")
    with pytest.raises(CheckpointError, match="other faces"):
        check(task.config, fewer)
    unmirrored = Answers(replace(answers.header, mirror=False), answers.views)
    with pytest.raises(CheckpointError, match="without mirror images"):
        require_fit(unmirrored, training_faces(task), task.config, fit)


def test_views_of_another_drawing_are_refused(task: Task, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SeededViews.draw

    def darker(self: SeededViews, number: int) -> DrawnView:
        drawn = real(self, number)
        return replace(drawn, faces=(drawn.faces * 0.9).to(torch.uint8))

    monkeypatch.setattr(SeededViews, "draw", darker)
    with pytest.raises(CheckpointError, match="draws view 0 differently"):
        answered(task, answers).begin(0)


def test_more_views_are_added_to_those_that_are_there(task: Task, answers: Answers, tmp_path: Path) -> None:
    header = header_for(training_faces(task), task.config, task.fit, task.teachers)
    teachers = Teachers(task.teachers, task.config, CPU)
    for count in (1, 3):
        collect_answers(series(task), teachers.classify, AnswersWriter(tmp_path, header), count)
    collect_answers(series(task), teachers.classify, AnswersWriter(tmp_path, header), 9, deadline=0.0)
    sliced = read_answers([tmp_path])
    assert list(sliced.views) == [0, 1, 2]
    assert all(np.array_equal(sliced.views[view].codes, answers.views[view].codes) for view in sliced.views)
