"""Several runs side by side: those that differ in nothing but the seed are one row of the table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from device.config.loader import to_dict
from trainer.artifacts.run_dir import CONFIG, RunFolder
from trainer.config import TrainConfig
from trainer.errors import CheckpointError
from trainer.reporting.tables import ScoreTable, percent

# These settings do not change the trained weights: place, speed, and what comes after training.
ASIDE = ("data", "runs", "accelerator", "threads", "compile", "checkpoint_s", "convert", "evaluate")
KINDS = ("teacher", "student", "study")


@dataclass(frozen=True)
class Run:
    """A run with at least one finished epoch.

    Attributes:
        settings: those that may change the result, by dotted name, without the seed.
        epochs: one entry a finished epoch, oldest first.
        summary: of the finished run; empty where it was cut off.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    epochs: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def accuracies(self) -> list[float]:
        """PublicTest accuracy after each epoch."""
        return [entry["accuracy"] for entry in self.epochs]

    @property
    def planned(self) -> int:
        """Epochs of its schedule."""
        return int(self.settings[f"{self.kind}.fit.epochs"])


@dataclass(frozen=True)
class Group:
    """Runs that differ only in the seed, and how they differ from the first group."""

    what: str
    runs: tuple[Run, ...]

    def row(self) -> dict[str, Any]:
        """The group in figures; sd is None for a single run."""
        best = [max(run.accuracies) for run in self.runs]
        return {
            "what": self.what,
            "runs": [run.name for run in self.runs],
            "epochs": [len(run.epochs) for run in self.runs],
            "epochs_planned": self.runs[0].planned,
            "seeds": len(self.runs),
            "accuracy": statistics.mean(best),
            "accuracy_sd": statistics.stdev(best) if len(best) > 1 else None,
            "accuracy_last_epoch": statistics.mean(run.accuracies[-1] for run in self.runs),
            "seconds": statistics.mean(sum(entry["seconds"] for entry in run.epochs) for run in self.runs),
            "images_per_s": statistics.mean(
                statistics.median(entry["images_per_s"] for entry in run.epochs) for run in self.runs
            ),
        }


def read_runs(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """The runs in some folders, and a sentence on each folder that is skipped.

    Raises:
        CheckpointError: a run's files are damaged, or none has finished an epoch.
    """
    runs, notes = [], []
    for path in paths:
        folder = RunFolder(path)
        try:
            if not (path / CONFIG).is_file():
                notes.append(f"{path}: skipped, it is not a run folder")
            elif not folder.metrics():
                notes.append(f"{path}: skipped, it has not finished an epoch")
            else:
                runs.append(_read(folder))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise CheckpointError(f"{path}: the run's files cannot be read: {error!r}.") from error
    if not runs:
        raise CheckpointError("No run with a finished epoch is in these folders; name runs, as in runs/*.")
    return runs, notes


def _read(folder: RunFolder) -> Run:
    summary, name = folder.summary(), folder.path.name
    kind = summary.get("kind") or ("teacher" if name.startswith("teacher") else "student")
    # A setting that an older config lacks had its default.
    settings = _flat(to_dict(TrainConfig())) | _flat(yaml.safe_load((folder.path / CONFIG).read_text())["trainer"])
    others = [other for other in KINDS if other != kind]
    foreign = (*ASIDE, *others, *(() if kind == "student" else ("distill",)))
    kept = {k: v for k, v in settings.items() if k.partition(".")[0] not in foreign and k != f"{kind}.fit.seed"}
    return Run(name, kind, kept, folder.metrics(), summary)


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs of one kind as groups, in the given order; the first is the baseline."""
    names = sorted({name for run in runs for name in run.settings})
    differing = [n for n in names if len({json.dumps(run.settings.get(n)) for run in runs}) > 1]
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps([run.settings.get(n) for n in differing]), []).append(run)
    first = runs[0].settings
    found = []
    for members in groups.values():
        mine = members[0].settings
        shown = [n for n in differing if mine is first or mine.get(n) != first.get(n)]
        text = ", ".join(f"{_short(n)} {_formatted(mine.get(n))}" for n in shown)
        found.append(Group(f"baseline ({text})" if mine is first and text else text or "baseline", tuple(members)))
    return found


def _short(name: str) -> str:
    for kind in KINDS:
        name = name.removeprefix(f"{kind}.")
    return name.removeprefix("fit.")


def _formatted(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(_formatted, value)) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(groups: Sequence[Group]) -> ScoreTable:
    """The groups of one kind as a table."""
    rows = []
    for group in groups:
        r = group.row()
        spread = "" if r["accuracy_sd"] is None else f" ± {100 * r['accuracy_sd']:.2f}"
        rows.append(
            [r["what"], _epochs(r), str(r["seeds"]), percent(r["accuracy"]) + spread,
             percent(r["accuracy_last_epoch"]), f"{r['seconds']:,.0f}", f"{r['images_per_s']:,.0f}"]
        )  # fmt: skip
    head = ["what", "epochs", "seeds", "PublicTest, best epoch, mean ± sd", "last epoch", "seconds a run", "images/s"]
    return ScoreTable(f"{groups[0].runs[0].kind}s", head, rows)


def _epochs(row: dict[str, Any]) -> str:
    """`30`, or `12 of 30` where a run of the group was cut off."""
    least, planned = min(row["epochs"]), row["epochs_planned"]
    return str(planned) if least >= planned else f"{least} of {planned}"


def machines(runs: Iterable[Run]) -> str:
    """The machines of the finished runs; empty where none has finished."""
    return "; ".join(sorted({run.summary["device"] for run in runs if "device" in run.summary}))
