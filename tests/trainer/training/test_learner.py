"""What the learner does with its settings before and during training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.artifacts.loading import Network
from trainer.config import DistillConfig, FitConfig, StudentConfig, TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import toy_dataset
from trainer.models import build_student
from trainer.training.learner import Learner, Task, training_faces


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset({name: split.take(slice(0, 140)) for name, split in toy_dataset().splits.items()}, "toy")


def config(distill: DistillConfig | None = None, **fit: object) -> TrainConfig:
    settings = replace(FitConfig(batch_size=28), **fit)  # type: ignore[arg-type]
    student = StudentConfig(channels=(8, 8, 8), tail=0, dropout=0, fit=settings)
    return TrainConfig(student=student, distill=distill or DistillConfig(), threads=1, bf16="false")


def test_twins_of_test_faces_can_be_left_out(dataset: Dataset) -> None:
    training, public = dataset["training"], dataset["public_test"]
    images = training.images.copy()
    images[[3, 7]] = public.images[:2]
    data = Dataset(dataset.splits | {"training": replace(training, images=images)}, "toy")
    with_twins, without = (
        training_faces(Task("student", replace(config(), without_twins=leave_out), data)) for leave_out in (False, True)
    )
    assert len(with_twins) == 140
    assert np.array_equal(without.images, np.delete(images, [3, 7], axis=0))


def test_the_head_may_begin_with_the_frequencies(dataset: Dataset) -> None:
    learner = Learner(Task("student", config(bias_from_frequencies=True), dataset))
    shares = np.bincount(dataset["training"].labels, minlength=7) / 140
    assert torch.softmax(learner.model.head.bias, 0).detach().numpy() == pytest.approx(shares, abs=1e-6)


def test_mirrored_teachers_give_a_face_and_its_mirror_image_the_same_output(dataset: Dataset) -> None:
    torch.manual_seed(0)
    teacher = Network(build_student(config().student, 7).eval(), "teacher")
    once, twice = (
        Learner(Task("student", config(DistillConfig(mirror=mirror)), dataset, (teacher,))) for mirror in (False, True)
    )
    faces = once.views.faces[:4]
    assert once.teachers is not None and twice.teachers is not None
    alone, both = once.teachers.classify(faces), twice.teachers.classify(faces)
    mirrored = twice.teachers.classify(faces.flip(3))
    assert torch.allclose(both, mirrored, atol=1e-5) and not torch.allclose(both, alone, atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_the_correlation_loss_is_added(dataset: Dataset, weight: float) -> None:
    torch.manual_seed(0)
    teacher = Network(build_student(config().student, 7).eval(), "teacher")
    losses = []
    for distill in (DistillConfig(), DistillConfig(dist_weight=weight)):
        learner = Learner(Task("student", config(distill), dataset, (teacher,)))
        learner.random.seed(0)
        batch = learner.views.batch(torch.arange(28))
        with torch.no_grad():
            losses.append(float(learner.loss(batch, *learner.heads(batch.faces))))
    assert (losses[1] > losses[0] + 0.01) == (weight > 0)


@pytest.fixture
def distilled(dataset: Dataset, tmp_path: Path) -> Task:
    """A student with a teacher and three answered views of each face."""
    torch.manual_seed(0)
    teacher = Network(build_student(config().student, 7).eval(), "teacher")
    settings = config(DistillConfig(kept_views=3, mirror=True), mixup=0.4, mixup_share=0.5)
    return Task("student", replace(settings, runs=str(tmp_path)), dataset, (teacher,))


def test_runs_with_the_same_views_share_the_answers(distilled: Task, tmp_path: Path) -> None:
    Learner(distilled).load_answers()
    (file,) = tmp_path.glob("answers-*/*.bin")
    written = file.stat().st_mtime_ns
    fit = replace(distilled.config.student.fit, seed=1)
    other = replace(distilled, config=replace(distilled.config, student=replace(distilled.config.student, fit=fit)))
    Learner(other).load_answers()
    assert file.stat().st_mtime_ns == written
    hotter = replace(distilled.config, distill=replace(distilled.config.distill, temperature=2.0))
    Learner(replace(distilled, config=hotter)).load_answers()
    assert len(list(tmp_path.glob("answers-*"))) == 2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_only_the_student_sees_a_camera_fault(dataset: Dataset, share: float) -> None:
    torch.manual_seed(0)
    teacher = Network(build_student(config().student, 7).eval(), "teacher")
    learner = Learner(Task("student", config(DistillConfig(degrade=share)), dataset, (teacher,)))
    seen: dict[str, torch.Tensor] = {}
    teacher.model.register_forward_pre_hook(lambda _, args: seen.update(teacher=args[0].clone()))
    heads = learner.heads

    def student(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        seen["student"] = faces.clone()
        return heads(faces)

    learner.heads = student
    batch = learner.views.batch(torch.arange(28))
    learner.step(batch)
    assert torch.equal(seen["teacher"], batch.faces)
    assert torch.equal(seen["student"], batch.faces) == (share == 0)
