"""Run folders: one a training run, holding its config, its metrics, its checkpoints and its pictures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from device.config.loader import to_dict
from trainer.config import TrainConfig
from trainer.errors import CheckpointError, RunError

CONFIG, METRICS, SUMMARY, BEST, LAST = "config.yaml", "metrics.jsonl", "summary.json", "best.pt", "last.pt"


class RunFolder:
    """One run's folder; `summary.json` is there once the run has finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best, self.last = path / BEST, path / LAST

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.path / SUMMARY).is_file()

    def summary(self) -> dict[str, Any]:
        """What `finish` wrote; empty while the run goes on."""
        file = self.path / SUMMARY
        return json.loads(file.read_text()) if file.is_file() else {}

    def metrics(self) -> list[dict[str, Any]]:
        """One entry a finished epoch, oldest first."""
        file = self.path / METRICS
        return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []

    def keep_metrics(self, entries: list[dict[str, Any]]) -> None:
        """Write all entries anew; a resumed run thereby forgets epochs that ran after its last checkpoint."""
        write_text(self.path / METRICS, "".join(json.dumps(e) + "\n" for e in entries))

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run as finished."""
        write_text(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")


def new_run(config: TrainConfig, kind: str, path: Path | None = None) -> RunFolder:
    """Make the folder of a new run under `config.runs`, named by its kind and the time, or at `path`.

    Raises:
        RunError: the folder cannot be made, or holds a run already.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = path or Path(config.runs) / f"{kind}-{stamp}"
    if (path / CONFIG).exists():
        raise RunError(f"{path}: a run is already there; continue it with --resume, or name another folder.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: the run folder cannot be made: {error.strerror}.") from error
    write_text(path / CONFIG, yaml.safe_dump({"trainer": to_dict(config)}, sort_keys=False))
    return RunFolder(path)


def newest_run(runs: Path, kind: str, finished: bool = True) -> RunFolder | None:
    """The newest run of a kind ("teacher", "student"), finished or cut off; None where there is none."""
    folders = sorted(runs.glob(f"{kind}-*/{CONFIG}"), key=lambda f: f.stat().st_mtime, reverse=True)
    found = (RunFolder(f.parent) for f in folders)
    return next((r for r in found if r.finished == finished and (r.best.is_file() or not finished)), None)


def open_run(path: Path) -> RunFolder:
    """An existing run folder.

    Raises:
        CheckpointError: there is no run there.
    """
    if not (path / CONFIG).is_file():
        raise CheckpointError(f"{path}: this is not a run folder, it holds no {CONFIG}.")
    return RunFolder(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        RunError: the disk is full or not writable; the file that was there stays.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(f"{path}: it cannot be written: {error.strerror}; what was saved before stays.") from error


def save_whole(path: Path, content: object, what: str, comfort: str = "") -> None:
    """Write tensors to a file whole or not at all.

    Args:
        what, comfort: the file in words, and what is not lost, for the error.

    Raises:
        RunError: it cannot be written (disk full); the file that was there stays as it was.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save(content, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as either
        temporary.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is the disk full?"
        raise RunError(f"{path}: {what} cannot be written: {reason}{comfort}.") from error
