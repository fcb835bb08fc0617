"""What is left to do for each row: its workspace, its result so far, the work that remains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.compare.experiment_run import Workspace, current_result, has_more_minutes, is_trained
from trainer.compare.result import ExperimentResult, Status
from trainer.compare.scheduler import Work
from trainer.compare.selection import faces_of
from trainer.compare.studies import Experiment
from trainer.compare.untrained import untrained_result
from trainer.config import TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.splits import tested_on

TOY_FACES = {"training": 280, "public_test": 140, "private_test": 140}


@dataclass(frozen=True)
class Limits:
    """What the command line leaves out.

    Attributes:
        max_mmac: train no row above it, in million multiply-accumulates; None trains all.
        train_only: do not evaluate.
        no_training: do not train.
    """

    max_mmac: float | None = None
    train_only: bool = False
    no_training: bool = False


def workspaces(rows: Sequence[Experiment], out: Path, dataset: Dataset, config: TrainConfig) -> list[Workspace]:
    """Where each row is trained and evaluated; of the synthetic faces a part is enough."""
    if dataset.source == "toy":
        dataset = Dataset({name: faces.take(slice(TOY_FACES[name])) for name, faces in dataset.splits.items()}, "toy")
    faces = faces_of(rows, dataset)
    return [Workspace(out, faces[row.key], tested_on(dataset, row.config.study.protocol), config) for row in rows]


def result_so_far(row: Experiment, workspace: Workspace, limits: Limits) -> ExperimentResult:
    """The row's result so far, and why nothing more is done, where that is so.

    A short row that now has more minutes is taken up again.
    """
    if row.model is not None and row.config.study.protocol != "original":
        why = "trained or chosen on faces of this test"
        return replace(untrained_result(row), status=Status.NOT_COMPARABLE, why=why)
    result = current_result(row, workspace)
    above = limits.max_mmac is not None and (result.macs or 0) > 1e6 * limits.max_mmac
    if above and not is_trained(row, workspace):
        return replace(result, why=f"above {limits.max_mmac:g} MMAC")
    if not above and not limits.no_training and row.model is None and has_more_minutes(row, workspace):
        return replace(result, status=Status.IN_PROGRESS)
    return result


def remaining_work(
    rows: Sequence[Experiment], places: Sequence[Workspace], results: Sequence[ExperimentResult], limits: Limits
) -> list[Work]:
    """The work left, the cheapest row first, so that as many rows as possible finish in time."""
    works = []
    for place, (row, workspace, result) in enumerate(zip(rows, places, results, strict=True)):
        if result.status in (Status.EVALUATED, Status.NOT_COMPARABLE) or result.why:
            continue
        trained = is_trained(row, workspace) and result.status is not Status.IN_PROGRESS
        if (limits.train_only and trained) or (limits.no_training and not trained):
            continue
        cost = 0 if trained else _training_cost(result)
        works.append(Work(place, row, workspace, not limits.train_only, cost))
    return sorted(works, key=lambda work: work.cost)


def _training_cost(result: ExperimentResult) -> float:
    """Multiply-accumulates of the forward passes of a whole training."""
    assert result.faces is not None and result.epochs.planned is not None and result.macs is not None
    return result.macs * result.faces.training * result.epochs.planned
