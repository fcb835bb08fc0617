"""Bad input that users really have: each is one sentence on stderr, and no file is lost."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.support.files import LONG_NAME
from tests.support.trainer_command import call_trainer as trainer
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.data.fer2013 import toy_dataset

TINY = [
    *("--set", "trainer.student.channels=[8, 8, 8]"), *("--set", "trainer.student.tail=0"),
    *("--set", "trainer.teacher.family=resnet18"), *("--set", "trainer.teacher.width=0.125"),
    *("--set", "trainer.teacher.stem_stride=2"), *("--set", "trainer.threads=1"),
]  # fmt: skip
HEADER = "emotion,pixels,Usage"


def on_full_disk(*arguments: object, cwd: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that may write no file larger than `limit` bytes."""

    def full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "trainer.cli", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=full_disk,
        check=False,
    )


def refused(result: subprocess.CompletedProcess[str], sentence: str, code: int = 1) -> None:
    """One sentence on stderr, no traceback, the right exit code."""
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert last.startswith("trainer: ") and re.search(sentence, last), last


@pytest.fixture(scope="module")
def rows() -> list[str]:
    """A small fer2013.csv: seven training faces and seven public ones."""
    splits = toy_dataset().splits
    lines = [HEADER]
    for split, usage in (("training", "Training"), ("public_test", "PublicTest")):
        for image, label in zip(splits[split].images[:28], splits[split].labels[:28], strict=True):
            lines.append(f"{label},{' '.join(map(str, image.ravel()))},{usage}")
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> Path:
    """A working folder with a data set and one finished run of teacher and student."""
    path = tmp_path_factory.mktemp("trained")
    (path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    done = trainer("distill", "--data", "fer2013.csv", "--epochs", "1", *TINY, *batch(14), cwd=path)
    assert done.returncode == 0, done.stderr
    return path


def batch(size: int) -> list[str]:
    return [f"--set=trainer.{kind}.fit.batch_size={size}" for kind in ("teacher", "student")]


def bad_rows(rows: list[str], kind: str) -> list[str]:
    label, pixels, usage = rows[1].split(",")
    return {
        "wrong columns": ["label,picture,split", *rows[1:]],
        "truncated": [*rows[:-1], rows[-1][: len(rows[-1]) // 2]],
        "pixels": [HEADER, f"{label},{pixels} 1,{usage}", *rows[2:]],
        "code": [HEADER, f"9,{pixels},{usage}", *rows[2:]],
        "empty class": [HEADER, *[row for row in rows[1:] if not row.startswith("1,")]],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("wrong columns", "line 1: the column .*emotion"),
        ("truncated", "line 57: .*incomplete|line 57: there are"),
        ("pixels", "line 2: there are 2305 pixels, but must be 2304"),
        ("code", "line 2: the emotion code is '9'"),
        ("empty class", "labelled disgust"),
    ],
)
def test_damaged_data(tmp_path: Path, rows: list[str], kind: str, sentence: str) -> None:
    (tmp_path / "bad.csv").write_text("\n".join(bad_rows(rows, kind)) + "\n")
    refused(trainer("teacher", "--data", "bad.csv", *TINY, cwd=tmp_path), sentence)
    assert not (tmp_path / "runs").exists()


def test_missing_data(tmp_path: Path) -> None:
    refused(trainer("teacher", "--data", "absent.csv", cwd=tmp_path), "absent.csv: there is no such file")
    refused(trainer("teacher", cwd=tmp_path), "no data set is named")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["teacher", "--data", LONG_NAME], "it cannot be read: File name too long"),
        (["evaluate", "--data", "toy", "--model", LONG_NAME], "the checkpoint cannot be read: File name too long"),
        (["distill", "--data", "toy", "--teacher", LONG_NAME], r"x\.png: File name too long\.$"),
    ],
)
def test_a_path_that_cannot_be_looked_at(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    refused(trainer(*arguments, *TINY, cwd=tmp_path), sentence)


def test_unknown_setting(tmp_path: Path) -> None:
    result = trainer("teacher", "--data", "toy", "--set", "trainer.teacher.widht=1", cwd=tmp_path)
    refused(result, "did you mean width", code=2)


def damage(path: Path, kind: str) -> None:
    """Damage a checkpoint in place."""
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "other format":
        torch.save({"state_dict": {}}, path)
    elif kind == "no checkpoint":
        path.write_text("these are not weights")
    else:
        content = torch.load(path, weights_only=True)
        content["config"]["student"]["channels"] = [16, 16, 16]
        torch.save(content, path)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("cut short", "truncated"),
        ("other format", "not written by"),
        ("no checkpoint", "not a checkpoint of this trainer"),
        ("other architecture", "do not fit the architecture"),
    ],
)
def test_bad_checkpoint(tmp_path: Path, folder: Path, kind: str, sentence: str) -> None:
    best = next((folder / "runs").glob("student-*/best.pt"))
    copy = tmp_path / "copy.pt"
    copy.write_bytes(best.read_bytes())
    damage(copy, kind)
    refused(
        trainer("evaluate", "--model", copy, "--data", folder / "fer2013.csv", "--split", "public_test", cwd=tmp_path),
        sentence,
    )


def test_full_disk_keeps_the_last_checkpoint(folder: Path) -> None:
    arguments = ["teacher", "--data", "fer2013.csv", "--run", "small", *TINY, *batch(14)]
    interrupted = trainer(*arguments, "--epochs", "1", cwd=folder)
    assert interrupted.returncode == 0, interrupted.stderr
    (folder / "small" / "summary.json").unlink()  # as if it had been cut off
    config = folder / "small" / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 1\n", "epochs: 2\n"))
    before = (folder / "small" / "last.pt").read_bytes()
    refused(on_full_disk("teacher", "--resume", "--run", "small", cwd=folder, limit=20_000), "cannot be written")
    assert (folder / "small" / "last.pt").read_bytes() == before
    assert load_checkpoint(folder / "small" / "last.pt").epoch == 1
    assert not list((folder / "small").glob("*.tmp"))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_keeps_the_last_checkpoint(folder: Path, tmp_path: Path, signum: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "trainer.cli",
        "teacher",
        "--data",
        str(folder / "fer2013.csv"),
        "--run",
        str(tmp_path / "run"),
    ]
    command += [*TINY, *batch(14), "--epochs", "100000"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in stderr
    assert "continue with --resume" in stderr.splitlines()[-1]
    assert load_checkpoint(tmp_path / "run" / "last.pt").epoch >= 1


def test_nothing_to_resume(tmp_path: Path) -> None:
    refused(trainer("distill", "--resume", "--data", "toy", cwd=tmp_path), "no stopped student run here")


def test_resume_continues_with_the_teacher_that_distill_was_training(folder: Path, tmp_path: Path) -> None:
    data, small = str(folder / "fer2013.csv"), [*TINY, *batch(14)]
    assert trainer("teacher", "--data", data, *small, "--minutes", "0", "--epochs", "2", cwd=tmp_path).returncode == 0
    done = trainer("distill", "--resume", "--data", data, *small, "--epochs", "1", cwd=tmp_path)
    assert done.returncode == 0 and "resuming the teacher in runs/teacher-" in done.stderr


def test_a_missing_teacher_is_an_error(folder: Path) -> None:
    refused(trainer("distill", "--data", "fer2013.csv", "--teacher", "absent.pt", *TINY, cwd=folder), "absent.pt")
    refused(
        trainer("distill", "--data", "fer2013.csv", "--teacher", "absent.tflite", *TINY, cwd=folder), "absent.tflite"
    )


def test_a_start_of_another_architecture_is_an_error(folder: Path) -> None:
    teacher = next((folder / "runs").glob("teacher-*"))
    arguments = ["distill", "--data", "fer2013.csv", "--teacher", teacher, "--start", teacher, *TINY]
    refused(trainer(*arguments, cwd=folder), "has other layers than the network to train")
    assert not list((folder / "runs").glob("student-*/best.pt"))[1:]


def test_answers_of_nobody_and_for_another_run(folder: Path) -> None:
    refused(trainer("answers", "--data", "fer2013.csv", *TINY, cwd=folder), "--teacher: name at least one", 2)
    run = min((folder / "runs").glob("student-*/best.pt")).parent
    asked = ["answers", "--data", "fer2013.csv", "--views", "1", "--teacher", str(run), *TINY]
    assert trainer(*asked, cwd=folder).returncode == 0
    refused(trainer(*asked, "--seed", "1", cwd=folder), "seed is 0 instead of 1; name another folder")
    learn = ["distill", "--data", "fer2013.csv", "--answers", "runs/answers", "--epochs", "1", *TINY, *batch(14)]
    other = "--set=trainer.augment.noise=0.1"
    before = sorted((folder / "runs").iterdir())
    refused(trainer(*learn, other, cwd=folder), r"do not fit this run: augment\.noise is 0\.0 instead of 0\.1")
    refused(trainer(*learn, "--teacher", str(run), cwd=folder), "leave --teacher", 2)
    assert sorted((folder / "runs").iterdir()) == before  # no run was begun
    half = trainer(*learn, "--epochs", "2", "--minutes", "0", "--run", "runs/taught", cwd=folder)
    assert "resume with --resume" in half.stdout, half.stderr
    (folder / "runs/answers").rename(folder / "elsewhere")  # as on another machine
    learn[learn.index("runs/answers")] = "elsewhere"
    done = trainer(*learn, "--resume", "--run", "runs/taught", cwd=folder)
    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / "runs/taught/summary.json").read_text())
    assert summary["teachers"] and summary["teachers"][0].startswith("compact")
