"""What a learner makes of its settings before and while it teaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.config import DistillConfig, FitConfig, StudentConfig, TrainConfig
from trainer.dataset import Dataset, toy_dataset
from trainer.learner import Learner, Task, taught_faces
from trainer.models import build_student
from trainer.networks import Network


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset({name: split.take(slice(0, 140)) for name, split in toy_dataset().splits.items()}, "toy")


def config(distill: DistillConfig | None = None, **fit: object) -> TrainConfig:
    settings = replace(FitConfig(batch_size=28), **fit)  # type: ignore[arg-type]
    student = StudentConfig(channels=(8, 8, 8), tail=0, dropout=0, fit=settings)
    return TrainConfig(student=student, distill=distill or DistillConfig(), threads=1, bf16=False)


def test_twins_of_test_faces_can_be_left_out(dataset: Dataset) -> None:
    training, public = dataset["training"], dataset["public_test"]
    images = training.images.copy()
    images[[3, 7]] = public.images[:2]
    data = Dataset(dataset.splits | {"training": replace(training, images=images)}, "toy")
    with_twins, without = (
        taught_faces(Task("student", replace(config(), without_twins=leave_out), data)) for leave_out in (False, True)
    )
    assert len(with_twins) == 140
    assert np.array_equal(without.images, np.delete(images, [3, 7], axis=0))


def test_the_head_may_begin_with_the_frequencies(dataset: Dataset) -> None:
    learner = Learner(Task("student", config(bias_from_frequencies=True), dataset))
    shares = np.bincount(dataset["training"].labels, minlength=7) / 140
    assert torch.softmax(learner.model.head.bias, 0).detach().numpy() == pytest.approx(shares, abs=1e-6)


def test_mirrored_teachers_say_the_same_of_a_face_and_its_mirror_image(dataset: Dataset) -> None:
    torch.manual_seed(0)
    teacher = Network(build_student(config().student, 7).eval(), "teacher")
    learner = Learner(Task("student", config(), dataset, (teacher,)))
    faces = learner.faces[:4]
    alone, both, mirrored = (
        torch.stack(learner.taught(x, mirror)).mean(0)
        for x, mirror in ((faces, False), (faces, True), (faces.flip(3), True))
    )
    assert torch.allclose(both, mirrored, atol=1e-5) and not torch.allclose(both, alone, atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_the_correlation_loss_comes_on_top(dataset: Dataset, weight: float) -> None:
    torch.manual_seed(0)
    teacher = Network(build_student(config().student, 7).eval(), "teacher")
    losses = []
    for distill in (DistillConfig(), DistillConfig(dist_weight=weight)):
        learner = Learner(Task("student", config(distill), dataset, (teacher,)))
        learner.generator.manual_seed(0)
        batch = learner.batch(torch.arange(28))
        with torch.no_grad():
            losses.append(float(learner.loss(batch, *learner.heads(batch.faces))))
    assert (losses[1] > losses[0] + 0.01) == (weight > 0)
