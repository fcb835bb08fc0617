"""The loop: it learns, it resumes as if never stopped, and it keeps the best weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from trainer.artifacts.checkpoint import load_checkpoint, save_checkpoint, save_small
from trainer.artifacts.loading import Network
from trainer.artifacts.run_dir import RunFolder, new_run, newest_run, runs_of
from trainer.augment_config import AugmentConfig
from trainer.config import DistillConfig, FitConfig, StudentConfig, TeacherConfig, TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.fer2013 import toy_dataset
from trainer.errors import CheckpointError, RunError
from trainer.models import build_student
from trainer.training.launch import newest_teacher
from trainer.training.learner import Learner, Task, pick_device
from trainer.training.loop import Progress, fit
from trainer.training.optim import set_lr


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset({name: split.take(slice(0, 140)) for name, split in toy_dataset().splits.items()}, "toy")


def task(dataset: Dataset, **changes: object) -> Task:
    values = {"epochs": 2, "batch_size": 28, "lr": 0.05, "warmup_epochs": 0.5, "ema": 0.5} | changes
    student = StudentConfig(channels=(8, 8, 8), tail=0, fit=replace(FitConfig(), **values))  # type: ignore[arg-type]
    return Task("student", TrainConfig(student=student, threads=1, bf16="false"), dataset)


def train(path: Path, job: Task, resume: bool = False) -> tuple[RunFolder, Progress]:
    run = RunFolder(path) if resume else new_run(job.config, job.kind, path)
    return run, fit(job, run, resume)


def test_it_learns_toy_faces(tmp_path: Path, dataset: Dataset) -> None:
    job = task(dataset, epochs=20, optimizer="adam", lr=5e-3)
    student = replace(job.config.student, channels=(16, 32, 32))
    gentle = AugmentConfig(rotate_deg=0, scale=0.05, shift=0.02, erase=0)
    run, progress = train(tmp_path / "run", replace(job, config=replace(job.config, student=student, augment=gentle)))
    assert progress.best > 0.35  # chance is 1/7, with a standard error of 0.03
    assert run.finished and run.summary()["accuracy"] == progress.best
    best = load_checkpoint(run.best)
    assert best.metrics["accuracy"] == progress.best
    assert [entry["epoch"] for entry in run.metrics()] == list(range(1, 21))


def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, dataset: Dataset) -> None:
    job = task(dataset, mixup=0.4)
    whole, _ = train(tmp_path / "whole", job)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped_in_the_second_epoch(job), new_run(job.config, job.kind, tmp_path / "cut"))
    cut, _ = train(tmp_path / "cut", job, resume=True)
    a, b = (load_checkpoint(run.last).model.state_dict() for run in (whole, cut))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert [e["loss"] for e in whole.metrics()] == [e["loss"] for e in cut.metrics()]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_of_which_only_the_last_checkpoint_came_gets_a_best_one(
    epochs: int, tmp_path: Path, dataset: Dataset
) -> None:
    job = task(dataset, epochs=2)
    run = new_run(job.config, job.kind, tmp_path / "run")
    fit(job, run, minutes=0)
    last = load_checkpoint(run.last)
    last.training["progress"]["best"] = 1.0  # which no later epoch exceeds
    save_checkpoint(run.last, last, last.model.state_dict())
    if epochs == 2:
        fit(job, run, resume=True)
        (run.path / "summary.json").unlink()  # stopped just before its end
    run.best.unlink()
    fit(job, run, resume=True)
    assert run.summary()["accuracy"] == load_checkpoint(run.best).metrics["accuracy"]


def stopped_in_the_second_epoch(job: Task) -> Task:
    """The same task, with a teacher that raises Ctrl-C in the middle of the second epoch."""
    steps_per_epoch = 5

    class Interrupter(torch.nn.Module):
        calls = 0

        def forward(self, faces: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls > steps_per_epoch + 2:
                raise KeyboardInterrupt
            return torch.zeros(len(faces), 7)

    silent = replace(job.config, distill=replace(job.config.distill, kl_weight=0.0))
    return Task(job.kind, silent, job.dataset, (Network(Interrupter(), "one"),))  # type: ignore[arg-type]


def test_a_run_in_slices_is_the_run_in_one(tmp_path: Path, dataset: Dataset) -> None:
    job = task(dataset, epochs=3)
    _, whole = train(tmp_path / "whole", job)
    run = new_run(job.config, job.kind, tmp_path / "slices")
    for epochs in (1, 2, 3):
        assert fit(job, run, resume=True, minutes=0).epoch == epochs
        assert run.finished == (epochs == 3)
    assert [e["loss"] for e in run.metrics()] == [e["loss"] for e in whole.history]


def test_other_data_is_not_resumed_on(tmp_path: Path, dataset: Dataset) -> None:
    job = task(dataset, epochs=1)
    train(tmp_path / "run", job)
    other = Dataset(dataset.splits | {"public_test": dataset["training"]}, "other")
    with pytest.raises(CheckpointError, match="other data"):
        fit(replace(job, dataset=other), RunFolder(tmp_path / "run"), resume=True)


def test_early_stopping_keeps_the_best(tmp_path: Path, dataset: Dataset) -> None:
    run, progress = train(tmp_path / "run", task(dataset, epochs=30, lr=1e-6, ema=0.0, patience_epochs=2))
    assert progress.epoch < 30 and progress.stale == 2
    assert load_checkpoint(run.best).epoch == progress.epoch - 2


def test_schedules() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    cosine = FitConfig(epochs=10, lr=0.4, warmup_epochs=2)
    lrs = [set_lr(optimizer, cosine, e) for e in (0, 1, 2, 6, 9)]
    assert lrs == pytest.approx([0.0002, 0.2, 0.4, 0.2, 0.0152], abs=5e-4)
    plateau = replace(cosine, schedule="plateau", warmup_epochs=0.0)
    assert set_lr(optimizer, plateau, 9.5, 0.1) == pytest.approx(0.04)


def test_newest_run_is_found_by_kind_and_state(tmp_path: Path, dataset: Dataset) -> None:
    config = replace(task(dataset).config, runs=str(tmp_path))
    started = new_run(config, "student")
    assert newest_run(tmp_path, "student") is None and newest_run(tmp_path, "teacher", finished=False) is None
    found = newest_run(tmp_path, "student", finished=False)
    assert found is not None and found.path == started.path
    with pytest.raises(RunError, match="holds a run already"):
        new_run(config, "student", started.path)


def test_an_older_teacher_of_this_data_is_found_behind_one_of_other_data(tmp_path: Path, dataset: Dataset) -> None:
    small = TeacherConfig(family="resnet18", width=0.125, fit=replace(FitConfig(), epochs=1, batch_size=28))
    config = replace(TrainConfig(teacher=small, threads=1, bf16="false"), runs=str(tmp_path))
    own, _ = train(tmp_path / "teacher-own", Task("teacher", config, dataset))
    other = Dataset({name: split.take(slice(0, 70)) for name, split in dataset.splits.items()}, "toy")
    train(tmp_path / "teacher-other", Task("teacher", config, other))
    assert [run.path.name for run in runs_of(tmp_path, "teacher")] == ["teacher-other", "teacher-own"]
    assert newest_teacher(config, dataset).path == own.path


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_an_accelerator_that_is_not_there_is_refused(kind: str) -> None:
    if getattr(torch, kind).is_available():
        pytest.skip(f"there is a {kind} device here")
    with pytest.raises(RunError, match=f"no {kind.upper()} device"):
        pick_device(replace(TrainConfig(), accelerator=kind))
    assert pick_device(TrainConfig()).type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_on_a_plateau_the_rate_falls_by_the_factor_that_is_set(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "score", lambda learner: {"accuracy": 0.5, "top5": 0.9, "loss_public": 1.0})
    settings = {"schedule": "plateau", "plateau_epochs": 2, "plateau_factor": 0.5, "warmup_epochs": 0.0}
    run, progress = train(tmp_path / "run", task(dataset, epochs=9, patience_epochs=5, lr=0.01, **settings))
    assert [entry["lr"] for entry in run.metrics()] == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.005, 0.0025])
    assert progress.epoch == 6 and run.finished  # one best, five stale


def test_checkpoints_may_be_rare_and_still_hold_the_best(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def save(path: Path, *rest: Any) -> None:
        written.append(path.name)
        save_checkpoint(path, *rest)

    monkeypatch.setattr("trainer.training.loop.save_checkpoint", save)
    job = task(dataset, epochs=4)
    often, _ = train(tmp_path / "often", job)
    assert written.count("last.pt") == 4
    written.clear()
    rarely, progress = train(tmp_path / "rarely", replace(job, config=replace(job.config, checkpoint_s=3600.0)))
    assert written == ["best.pt", "last.pt"] and len(rarely.metrics()) == 4
    best, same = (load_checkpoint(run.best) for run in (rarely, often))
    assert best.metrics["accuracy"] == progress.best and best.epoch == same.epoch
    weights, others = best.model.state_dict(), same.model.state_dict()
    assert all(torch.equal(weights[key], others[key]) for key in others)


def test_a_run_trains_on_answered_views(tmp_path: Path, dataset: Dataset) -> None:
    job = task(dataset)
    distill = DistillConfig(kept_views=1)
    teacher = Network(build_student(job.config.student, 7).eval(), "teacher")
    settings = replace(job.config, distill=distill, runs=str(tmp_path))
    _, progress = train(tmp_path / "run", replace(job, config=settings, teachers=(teacher,)))
    assert progress.epoch == 2 and len(list(tmp_path.glob("answers-*/*.bin"))) == 1


def test_a_run_with_torchs_average_resumes(dataset: Dataset) -> None:
    learner = Learner(task(dataset))
    theirs = AveragedModel(learner.model, use_buffers=True)
    theirs.update_parameters(learner.model)
    learner.average.load_state_dict(theirs.state_dict())
    assert learner.average.count == 1
    assert learner.average.state_dict().keys() == theirs.state_dict().keys()


def test_a_run_with_a_time_limit_finishes_within_the_epoch_that_reaches_it(tmp_path: Path, dataset: Dataset) -> None:
    run, progress = train(tmp_path / "run", task(dataset, epochs=9, max_minutes=1e-6))
    assert run.finished and progress.epoch == 1 and run.summary()["epochs"] == 1
    assert run.metrics()[0]["share"] == 0.2  # one of five steps
    again, whole = train(tmp_path / "whole", task(dataset, epochs=2, max_minutes=1000.0))
    assert again.finished and whole.epoch == 2 and again.metrics()[1]["share"] == 1


def test_a_run_goes_on_from_a_small_checkpoint(tmp_path: Path, dataset: Dataset) -> None:
    job = task(dataset, epochs=2)
    run = new_run(job.config, job.kind, tmp_path / "run")
    fit(job, run, minutes=0)
    size = run.last.stat().st_size
    save_small(run.last, run.last)
    assert run.last.stat().st_size < size / 2
    run.best.unlink()
    progress = fit(job, run, resume=True)
    assert progress.epoch == 2 and run.finished and run.best.is_file()
