"""The work of `scripts/training/lease`: its items, what each needs, and which may start now."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.errors import UsageError
from trainer.artifacts.answers_file import views_in
from trainer.artifacts.checkpoint import save_small
from trainer.artifacts.run_dir import CONFIG, SUMMARY, RunFolder
from trainer.compare.studies import STUDIES

FAMILIES = ("vgg16", "resnet18", "se_resnet34")
PROFILES = {"accurate": "record", "fast": "fast"}
"""Students by profile, and the recipe of each."""
TRAINER = (sys.executable, "-m", "trainer.cli")
SMALL = "small.pt"


@dataclass(frozen=True)
class Plan:
    """What the command line asks for.

    Attributes:
        data: the data set.
        runs: folder of everything.
        teacher_seeds: teachers of each family.
        seeds: students of each profile.
        views: of each face that the teachers answer.
        jobs: trainings at a time.
        epochs: of each training, instead of its recipe's; for a trial.
        models: only these study rows; empty takes all.
        settings: KEY=VALUE of every command.
    """

    data: str
    runs: Path
    teacher_seeds: int = 1
    seeds: int = 3
    views: int = 300
    jobs: int = 6
    epochs: int | None = None
    models: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One training, or another part of the work, in a process of its own.

    Attributes:
        name: of the item and of its log.
        command: for so many minutes.
        finished: whether nothing is left of it.
        done: what is done, in words.
        needs: names of items that must be finished before.
        fills: starts only where nothing else can, and takes the places that are free.
        prepare: called before each start.
    """

    name: str
    command: Callable[[float, int], Sequence[str]]
    finished: Callable[[], bool]
    done: Callable[[], str]
    needs: tuple[str, ...] = ()
    fills: bool = False
    prepare: Callable[[], None] = lambda: None


def queue(plan: Plan) -> list[Item]:
    """All items, the most important first."""
    teachers = [(f"teacher-{family}-{seed}", family, seed) for seed in range(plan.teacher_seeds) for family in FAMILIES]
    names = tuple(name for name, _, _ in teachers)
    items = [_teacher(plan, name, family, seed) for name, family, seed in teachers]
    items.append(_answers(plan, names))
    items += [_student(plan, profile, seed) for seed in range(plan.seeds) for profile in PROFILES]
    return [*items, _rows(plan)]


def ready(items: Sequence[Item], running: Collection[str], failed: Collection[str], jobs: int) -> list[Item]:
    """The items that may start now.

    Args:
        items: all, the most important first.
        running: names of those that run.
        failed: names of those that failed; they are not tried again.
        jobs: how many may run at a time, beside one that fills the rest.
    """
    finished = {item.name for item in items if item.finished()}
    able = [
        item for item in items if item.name not in {*finished, *running, *failed} and finished.issuperset(item.needs)
    ]
    fillers = {item.name for item in items if item.fills}
    free = jobs - len(set(running) - fillers)
    first = [item for item in able if not item.fills][: max(0, free)]
    return first + [item for item in able if item.fills and len(first) < free]


def _teacher(plan: Plan, name: str, family: str, seed: int) -> Item:
    settings = (f"trainer.teacher.family={family}", f"trainer.teacher.fit.seed={seed}")
    return _training(plan, name, ("teacher", "--recipe", "record", *_set(settings)))


def _student(plan: Plan, profile: str, seed: int) -> Item:
    command = ("distill", "--recipe", PROFILES[profile], *_set((f"trainer.student.fit.seed={seed}",)))
    return _training(
        plan, f"student-{profile}-{seed}", (*command, "--answers", str(plan.runs / "answers")), ("answers",)
    )


def _training(plan: Plan, name: str, command: tuple[str, ...], needs: tuple[str, ...] = ()) -> Item:
    run = RunFolder(plan.runs / name)
    epochs = () if plan.epochs is None else ("--epochs", str(plan.epochs))

    def started(minutes: float, free: int) -> Sequence[str]:
        resume = ("--resume",) if (run.path / CONFIG).is_file() else ()
        limits = ("--run", str(run.path), "--minutes", f"{minutes:.2f}", *epochs, *resume)
        return (*TRAINER, *command, *_common(plan), *limits)

    return Item(name, started, lambda: run.finished, lambda: f"epoch {len(run.metrics())}", needs)


def _answers(plan: Plan, teachers: tuple[str, ...]) -> Item:
    folder, runs = plan.runs / "answers", [plan.runs / name for name in teachers]

    def command(minutes: float, free: int) -> Sequence[str]:
        named = [part for run in runs for part in ("--teacher", str(run / SMALL))]
        limits = ("--views", str(plan.views), "--out", str(folder), "--minutes", f"{minutes:.2f}")
        return (*TRAINER, "answers", "--recipe", "record", *named, *_common(plan), *limits)

    def make_small() -> None:
        """The teachers as int8, before they answer: as such they can travel and go on answering."""
        for run in runs:
            if not (run / SMALL).is_file():
                save_small(run / "best.pt", run / SMALL)

    return Item(
        "answers", command, lambda: views_in(folder) >= plan.views, lambda: f"view {views_in(folder)}", teachers,
        prepare=make_small,
    )  # fmt: skip


def _rows(plan: Plan) -> Item:
    out, names = plan.runs / "compare", set(plan.models)
    every = [row for study in STUDIES.values() for row in study if row.model is None]
    called = {row: {row.key, row.name, row.config.study.network} for row in every}
    if unknown := sorted(names.difference(*called.values())):
        raise UsageError(f"--models: no row is named {unknown[0]!r} here; `trainer compare --list` names them.")
    rows = [row for row in every if not names or names & called[row]]
    chosen = (
        *(("--models", *plan.models) if plan.models else ()),
        *(() if plan.epochs is None else ("--epochs", str(plan.epochs))),
    )

    def command(minutes: float, free: int) -> Sequence[str]:
        limits = ("--train-only", "--jobs", str(max(1, free)), "--hours", f"{minutes / 60:.4f}", "--out", str(out))
        return (*TRAINER, "compare", *_common(plan), *chosen, *limits)

    def trained() -> list[bool]:
        return [(out / row.study / f"{row.name}-{row.config.study.protocol}" / SUMMARY).is_file() for row in rows]

    def done() -> str:
        return f"{sum(trained())} of {len(rows)} rows"

    return Item("rows", command, lambda: all(trained()), done, fills=True)


def _common(plan: Plan) -> tuple[str, ...]:
    return ("--data", plan.data, "--runs", str(plan.runs), *_set(plan.settings))


def _set(settings: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for setting in settings for part in ("--set", setting))
