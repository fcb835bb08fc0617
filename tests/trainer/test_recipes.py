"""The committed recipes: each is read, and each student keeps within its budget."""

from __future__ import annotations

from pathlib import Path

import pytest

import trainer
from trainer.cli import _config, build_parser
from trainer.config import ConvertConfig, TrainConfig, load_config
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
        "cpu",
        "fast",
        "fast-cpu",
        "record",
        "sturdy",
    }


def test_the_recipe_cpu_is_what_the_trainer_does_by_itself() -> None:
    cpu = next(path for path in RECIPES if path.stem == "cpu")
    assert load_config(cpu) == load_config() == TrainConfig()


def test_a_recipe_is_taken_by_its_name_and_not_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser("data")
    assert _config(parser.parse_args(["data", "--recipe", "fast"])).student.stem_stride == 2
    with pytest.raises(SystemExit) as refused:
        parser.parse_args(["data", "--recipe", "fast", "--config", "mine.yaml"])
    assert refused.value.code == 2
    with pytest.raises(SystemExit):
        parser.parse_args(["data", "--recipe", "fsat"])
    assert "born-again" in capsys.readouterr().err
