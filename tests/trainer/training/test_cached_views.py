"""The key of cached views follows the config by itself."""

from __future__ import annotations

from dataclasses import Field, dataclass, fields, replace
from typing import Any

import pytest
import torch

from trainer.augment_config import AugmentConfig, augmentation
from trainer.config import DistillConfig, FitConfig, StudentConfig, TrainConfig
from trainer.models import build_student
from trainer.training.cached_views import views_key

SMALL = StudentConfig(channels=(8, 8, 8), tail=0)


def key(config: TrainConfig, **others: Any) -> str:
    values: dict[str, Any] = {"fit": config.student.fit, "digest": "d", "votes": False, "teachers": []}
    return views_key(config, **values | others)


def with_fit(**changes: Any) -> TrainConfig:
    return TrainConfig(student=StudentConfig(fit=replace(FitConfig(), **changes)))


@pytest.mark.parametrize("field", fields(AugmentConfig), ids=lambda field: field.name)
def test_every_augmentation_changes_the_key(field: Field[float]) -> None:
    changed = replace(AugmentConfig(), **{field.name: field.default + 0.01})  # type: ignore[operator]
    assert key(TrainConfig(augment=changed)) != key(TrainConfig())


def test_an_augmentation_that_is_added_changes_the_key() -> None:
    @dataclass(frozen=True)
    class Wider(AugmentConfig):
        blur: float = augmentation(1.0, "largest radius, pixels", off=0, ge=0)

    keys = {key(TrainConfig(augment=augment)) for augment in (AugmentConfig(), Wider(), Wider(blur=2.0))}
    assert len(keys) == 3


@pytest.mark.parametrize(
    "changed",
    [
        with_fit(mixup=0.2),
        with_fit(mixup_share=0.5),
        with_fit(label_smoothing=0.1),
        TrainConfig(distill=DistillConfig(temperature=2.0)),
        TrainConfig(distill=DistillConfig(mirror=True)),
        TrainConfig(distill=DistillConfig(kept_views=3)),
        TrainConfig(without_twins=True),
        TrainConfig(bf16="false"),
    ],
)
def test_what_changes_views_or_teacher_outputs_changes_the_key(changed: TrainConfig) -> None:
    assert key(changed) != key(TrainConfig())


@pytest.mark.parametrize(
    "changed",
    [
        with_fit(seed=1, lr=0.2, epochs=3, ema=0.9, optimizer="adamw", votes_weight=0.3),
        TrainConfig(distill=DistillConfig(kl_weight=0.5, dist_weight=1.0, teachers=("elsewhere",))),
        TrainConfig(runs="elsewhere", data="copy.csv", threads=1, checkpoint_s=60.0, student=SMALL),
    ],
)
def test_other_settings_share_the_views(changed: TrainConfig) -> None:
    assert key(changed) == key(TrainConfig())


def test_data_votes_and_the_teachers_weights_are_in_the_key() -> None:
    torch.manual_seed(0)
    one, other = build_student(SMALL, 7), build_student(SMALL, 7)
    variants: list[dict[str, Any]] = [{}, {"digest": "e"}, {"votes": True}, {"teachers": [one]}, {"teachers": [other]}]
    assert len({key(TrainConfig(), **variant) for variant in variants}) == len(variants)
