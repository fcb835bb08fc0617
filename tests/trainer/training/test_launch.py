"""What is checked and said before a run begins."""

from __future__ import annotations

import re
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.support.trainer_command import call_trainer as trainer
from tests.trainer.test_bad_input import TINY, batch, refused
from trainer.artifacts.answers_header import CHECKSUM_BYTES, SIGNED
from trainer.artifacts.run_dir import RunFolder

SMALL = ["--data", "toy", *TINY, *batch(128)]
TEACHER = Path(__file__).parents[3] / "device/models/emotion.tflite"


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with the answers of two views."""
    folder = tmp_path_factory.mktemp("answered")
    asked = trainer("answers", *SMALL, "--teacher", TEACHER, "--views", "2", cwd=folder)
    assert asked.returncode == 0, asked.stderr
    return (folder / "runs/answers/answers-000.bin").read_bytes()


def learn(folder: Path, content: bytes, *more: str) -> subprocess.CompletedProcess[str]:
    """Distil for one epoch from a file of answers."""
    (folder / "answers.bin").write_bytes(content)
    return trainer("distill", *SMALL, "--answers", "answers.bin", "--epochs", "1", *more, cwd=folder)


def test_the_views_in_use_and_those_that_are_missing_are_said(tmp_path: Path, answered: bytes) -> None:
    done = learn(tmp_path, answered)
    assert done.returncode == 0 and "trainer: views in use: 2, answered by emotion-student" in done.stderr
    assert "left out" not in done.stderr
    cut = learn(tmp_path, answered[:-1], "--run", "runs/cut")
    assert cut.returncode == 0 and "trainer: views in use: 1, answered by" in cut.stderr
    assert "answers.bin: the file ends within view 1, which is left out; copy the file again" in cut.stderr


def test_views_that_are_drawn_differently_are_refused_before_a_run_begins(tmp_path: Path, answered: bytes) -> None:
    refused(learn(tmp_path, with_another_signature(answered)), "draws view 0 differently from the one that the")
    assert not (tmp_path / "runs").exists()
    assert learn(tmp_path, answered).returncode == 0


def with_another_signature(content: bytes) -> bytes:
    """The file with another signature of its first view, and the checksum of that."""
    start = content.index(b"\n") + 1
    end = start + (len(content) - start) // 2
    block = content[start : end - CHECKSUM_BYTES - SIGNED] + bytes(SIGNED)
    return content[:start] + block + zlib.crc32(block).to_bytes(CHECKSUM_BYTES, "little") + content[end:]


def test_the_minutes_are_those_of_teacher_and_student_together(tmp_path: Path) -> None:
    command = ["distill", *SMALL, "--epochs", "2", "--minutes"]
    assert re.fullmatch(r"runs/teacher-\S+: 1 epochs done; resume with --resume\n", run(tmp_path, *command, "0"))
    assert not list((tmp_path / "runs").glob("student-*"))
    assert re.fullmatch(r"runs/student-\S+: 1 epochs done.*\n", run(tmp_path, *command, "1e-9", "--resume"))
    (teacher,) = (tmp_path / "runs").glob("teacher-*")
    assert RunFolder(teacher).finished


def run(folder: Path, *arguments: object) -> str:
    """What a command prints that must succeed."""
    done = trainer(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout
