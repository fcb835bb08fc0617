"""The committed recipes: each is read, and each student keeps within its budget."""

from __future__ import annotations

from pathlib import Path

import pytest

import trainer
from trainer.config import ConvertConfig, load_config
from trainer.models import build_student, count_macs, count_parameters

RECIPES = sorted((Path(trainer.__file__).parent / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipes_student_keeps_within_the_budget(path: Path) -> None:
    student = build_student(load_config(path).student, 7)
    assert count_parameters(student) <= ConvertConfig().max_parameters
    assert not path.stem.startswith("fast") or count_macs(student) <= 30e6


def test_there_are_recipes() -> None:
    assert {path.stem for path in RECIPES} == {
        "ablation",
        "baseline",
        "born-again",
        "fast",
        "fast-cpu",
        "record",
        "sturdy",
    }
