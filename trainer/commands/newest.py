"""The run that a command takes where the command line names none."""

from __future__ import annotations

from pathlib import Path

from trainer.artifacts.run_dir import RunFolder, newest_run
from trainer.errors import CheckpointError


def newest_student(runs: Path, option: str) -> RunFolder:
    """The newest student, a finished one before one that was cut off.

    Args:
        runs: folder of the run folders.
        option: what the user may name instead, for the message.

    Raises:
        CheckpointError: there is no student.
    """
    found = newest_run(runs, "student") or newest_run(runs, "student", finished=False)
    if found is None or not found.best.is_file():
        raise CheckpointError(f"{runs}: no student is here; train one with `trainer distill`, or name {option}.")
    return found
