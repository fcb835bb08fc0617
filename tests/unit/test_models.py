"""Sizes of the networks, against what is published and what is promised."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainer.config import ConvertConfig, StudentConfig, TeacherConfig
from trainer.models import build_student, build_teacher, count_macs, count_parameters


def test_se_resnet34_has_the_published_size() -> None:
    teacher = build_teacher(TeacherConfig(), 7)
    assert count_parameters(teacher) == pytest.approx(21.4e6, rel=0.01)
    assert count_macs(teacher) == pytest.approx(2.6e9, rel=0.01)


@pytest.mark.parametrize(("family", "millions"), [("vgg11", 9.2), ("vgg13", 9.4), ("vgg16", 14.7), ("vgg19", 20.0)])
def test_vggs_without_their_wide_layers_have_the_published_sizes(family: str, millions: float) -> None:
    teacher = build_teacher(replace(TeacherConfig(), family=family), 7)
    assert count_parameters(teacher) == pytest.approx(millions * 1e6, rel=0.01)
    small = build_teacher(replace(TeacherConfig(), family=family, width=0.125, stem_stride=2), 7)
    assert small(torch.rand(2, 1, 48, 48)).shape == (2, 7)


def test_stem_stride_two_is_four_times_cheaper() -> None:
    config = replace(TeacherConfig(), width=0.25)
    full, cheap = (count_macs(build_teacher(replace(config, stem_stride=s), 7)) for s in (1, 2))
    assert full / cheap == pytest.approx(4, rel=0.05)


def test_student_stays_within_its_budget() -> None:
    assert count_parameters(build_student(StudentConfig(), 7)) <= ConvertConfig().max_parameters


def test_seed_form_has_three_blocks() -> None:
    seed = build_student(replace(StudentConfig(), tail=0), 7)
    convolutions = [m for m in seed.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sorted(m.kernel_size for m in convolutions) == [(1, 1)] * 3 + [(3, 3)] * 6


def test_second_head_is_not_counted_and_not_in_the_forward_pass() -> None:
    plain, both = build_student(StudentConfig(), 7), build_student(StudentConfig(), 7, votes=10)
    assert count_parameters(plain) == count_parameters(both)
    faces = torch.rand(2, 1, 48, 48)
    assert both(faces).shape == (2, 7)
    assert [h.shape[1] for h in both.heads(faces) if h is not None] == [7, 10]
    assert plain.heads(faces)[1] is None


@pytest.mark.parametrize("se", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_student_variants_run(se: bool, stride: int) -> None:
    student = build_student(replace(StudentConfig(), se=se, stem_stride=stride, channels=(8, 8, 8), tail=8), 7)
    assert student(torch.rand(2, 1, 48, 48)).shape == (2, 7)
