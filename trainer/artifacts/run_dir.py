"""Run folders, one for each training run: its config, metrics, checkpoints and pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from device.config.loader import to_dict
from trainer.config import TrainConfig
from trainer.errors import CheckpointError, RunError

CONFIG, METRICS, SUMMARY, BEST, LAST = "config.yaml", "metrics.jsonl", "summary.json", "best.pt", "last.pt"


class RunFolder:
    """The folder of one run; `summary.json` exists once the run has finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best, self.last = path / BEST, path / LAST

    @property
    def finished(self) -> bool:
        """Whether the run has finished."""
        return (self.path / SUMMARY).is_file()

    def summary(self) -> dict[str, Any]:
        """What `finish` wrote; empty while the run is not finished."""
        file = self.path / SUMMARY
        return json.loads(file.read_text()) if file.is_file() else {}

    def write_config(self, config: TrainConfig) -> None:
        """Write the settings of the run."""
        write_text(self.path / CONFIG, yaml.safe_dump({"trainer": to_dict(config)}, sort_keys=False))

    def metrics(self) -> list[dict[str, Any]]:
        """One entry for each finished epoch, oldest first."""
        file = self.path / METRICS
        return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []

    def write_metrics(self, entries: list[dict[str, Any]]) -> None:
        """Replace all entries.

        A resumed run thereby drops the epochs that ran after its last checkpoint.
        """
        write_text(self.path / METRICS, "".join(json.dumps(e) + "\n" for e in entries))

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run as finished."""
        write_text(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")


def new_run(config: TrainConfig, kind: str, path: Path | None = None) -> RunFolder:
    """Create the folder of a new run.

    Args:
        config: written to the folder.
        kind: "teacher", "student" or "study".
        path: of the folder; None makes `config.runs/<kind>-<UTC time>`.

    Raises:
        RunError: the folder cannot be created, or holds a run already.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = path or Path(config.runs) / f"{kind}-{stamp}"
    if (path / CONFIG).exists():
        raise RunError(f"{path}: the folder holds a run already; resume it with --resume, or name another folder.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: the run folder cannot be created: {error.strerror}.") from error
    run = RunFolder(path)
    run.write_config(config)
    return run


def runs_of(runs: Path, kind: str, finished: bool = True) -> Iterator[RunFolder]:
    """The runs of a kind, the newest first.

    Args:
        runs: folder that holds the run folders.
        kind: "teacher" or "student".
        finished: take finished runs that have weights; otherwise, runs that were stopped.
    """
    folders = sorted(runs.glob(f"{kind}-*/{CONFIG}"), key=lambda f: f.stat().st_mtime, reverse=True)
    found = (RunFolder(f.parent) for f in folders)
    return (r for r in found if r.finished == finished and (r.best.is_file() or not finished))


def newest_run(runs: Path, kind: str, finished: bool = True) -> RunFolder | None:
    """The first of `runs_of`; None where there is no such run."""
    return next(runs_of(runs, kind, finished), None)


def open_run(path: Path) -> RunFolder:
    """An existing run folder.

    Raises:
        CheckpointError: `path` holds no run.
    """
    if not (path / CONFIG).is_file():
        raise CheckpointError(f"{path}: this is not a run folder: it holds no {CONFIG}.")
    return RunFolder(path)


def newest_student(runs: Path, otherwise: str) -> RunFolder:
    """The newest finished run of a student, or else the newest one with weights that was stopped.

    Args:
        runs: folder that holds the run folders.
        otherwise: what the user can name instead, for the error, as "a checkpoint".

    Raises:
        CheckpointError: there is no student.
    """
    found = newest_run(runs, "student") or newest_run(runs, "student", finished=False)
    if found is None or not found.best.is_file():
        raise CheckpointError(f"{runs}: no student is here; train one with `trainer distill`, or name {otherwise}.")
    return found


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which replaces `path` at the end.

    On an error the temporary file is removed, and the file at `path` stays as it was.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Raises:
        RunError: the disk is full or not writable; the old file stays.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise RunError(f"{path}: the file cannot be written: {error.strerror}; the old file stays.") from error
