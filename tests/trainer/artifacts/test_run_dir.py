"""Run folders and files that are written atomically."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.artifacts.run_dir import CONFIG, RunFolder, newest_student, replacing, write_text
from trainer.errors import CheckpointError, RunError

NO_TORCH = """
import json, sys
import trainer.artifacts.run_dir, trainer.commands.data, trainer.compare.studies, trainer.cli
print(json.dumps(sorted({"torch", "sklearn", "matplotlib", "ai_edge_litert"} & set(sys.modules))))
"""


def run_folder(path: Path, *, age_s: int, finished: bool, weights: bool = True) -> RunFolder:
    """A run folder whose config was written so many seconds ago."""
    path.mkdir()
    run = RunFolder(path)
    (path / CONFIG).write_text("trainer: {}\n")
    os.utime(path / CONFIG, (1_000_000 - age_s, 1_000_000 - age_s))
    if weights:
        run.best.write_bytes(b"weights")
    if finished:
        run.finish({})
    return run


def test_run_folders_need_no_pytorch() -> None:
    done = subprocess.run([sys.executable, "-c", NO_TORCH], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == []


def test_the_newest_student_is_finished_where_one_is(tmp_path: Path) -> None:
    run_folder(tmp_path / "student-older", age_s=30, finished=True)
    expected = run_folder(tmp_path / "student-newer", age_s=20, finished=True)
    run_folder(tmp_path / "student-stopped", age_s=10, finished=False)
    run_folder(tmp_path / "teacher-newest", age_s=0, finished=True)
    assert newest_student(tmp_path, "a checkpoint").path == expected.path


def test_a_stopped_student_counts_once_it_has_weights(tmp_path: Path) -> None:
    stopped = run_folder(tmp_path / "student-stopped", age_s=10, finished=False)
    assert newest_student(tmp_path, "a checkpoint").path == stopped.path
    stopped.best.unlink()
    with pytest.raises(
        CheckpointError, match="no student is here; train one with `trainer distill`, or name a checkpoint"
    ):
        newest_student(tmp_path, "a checkpoint")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    write_text(file, "old")
    with pytest.raises(KeyboardInterrupt), replacing(file) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        write_text(tmp_path / "absent" / "summary.json", "{}")
