"""scripts/training/lease: the order of its work, what comes home, the whole on toy faces."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from device.errors import UsageError
from scripts.training import lease_home
from scripts.training.lease import main
from scripts.training.lease_home import pack, unpack
from scripts.training.lease_queue import Item, Plan, queue, ready
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.small_weights import restore, shrink
from trainer.data.fer2013 import toy_dataset
from trainer.errors import RunError

ROOT = Path(__file__).parents[2]


def item(name: str, needs: tuple[str, ...] = (), finished: bool = False, fills: bool = False) -> Item:
    return Item(name, lambda minutes, free: (name,), lambda: finished, lambda: "", needs, fills)


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """A disk on which files find place up to a size, bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(items: Sequence[Item]) -> list[str]:
    return [one.name for one in items]


def test_the_queue_has_the_order_of_importance(tmp_path: Path) -> None:
    items = queue(Plan("toy", tmp_path, seeds=2))
    assert names(items) == [
        *("teacher-vgg16-0", "teacher-resnet18-0", "teacher-se_resnet34-0", "answers"),
        *("student-accurate-0", "student-fast-0", "student-accurate-1", "student-fast-1", "rows"),
    ]
    assert names(ready(items, (), (), 6)) == [*names(items)[:3], "rows"]
    assert names(ready(items, (), (), 2)) == names(items)[:2]
    command = items[0].command(1.5, 1)
    assert "--resume" not in command and command[command.index("--minutes") + 1] == "1.50"
    (tmp_path / "teacher-vgg16-0").mkdir()
    (tmp_path / "teacher-vgg16-0" / "config.yaml").touch()
    assert "--resume" in items[0].command(1.5, 1)


def test_items_wait_for_what_they_need_and_for_a_free_place() -> None:
    done, teacher = item("done", finished=True), item("teacher")
    answers, student, rows = item("answers", ("teacher",)), item("student", ("done",)), item("rows", fills=True)
    items = [done, teacher, answers, student, rows]
    assert names(ready(items, (), (), 1)) == ["teacher"]
    assert names(ready(items, (), (), 3)) == ["teacher", "student", "rows"]
    assert names(ready(items, ("teacher",), (), 2)) == ["student"]
    assert names(ready(items, ("teacher", "rows"), (), 2)) == ["student"]  # the rows take no place from others
    assert names(ready(items, ("student",), ("teacher",), 2)) == ["rows"]  # what failed is not tried again


def test_the_time_of_the_imports_counts() -> None:
    program = "import time; time.sleep(1); from scripts.training import lease; print(lease.process_age_s())"
    assert float(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT)) >= 1


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_home, "PIECE_BYTES", 40_000)
    monkeypatch.setattr(lease_home, "TOTAL_BYTES", 8 * 40_000)


def students(runs: Path, count: int, size: int) -> None:
    """Finished students, each with a file of random bytes as its weights."""
    for number in range(count):
        run = runs / f"student-fast-{number}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text("trainer: {}\n")
        (run / "summary.json").write_text("{}")
        (run / "best.pt").write_bytes(os.urandom(size))


@pytest.mark.usefixtures("small_pieces")
def test_pieces_are_small_and_come_back_whole(tmp_path: Path) -> None:
    runs, home, other = tmp_path / "runs", tmp_path / "home", tmp_path / "other"
    students(runs, 3, 50_000)
    assert pack(runs, home, 300) == []
    pieces = sorted(home.iterdir())
    assert 1 < len(pieces) <= 8 and all(piece.stat().st_size <= 40_000 for piece in pieces)
    assert unpack(home, other) == 9
    for file in runs.rglob("*.pt"):
        assert (other / file.relative_to(runs)).read_bytes() == file.read_bytes()
    assert unpack(home, other) == 0  # what is there is as new
    home.rename(tmp_path / "taken")
    assert pack(runs, home, 300) == [] and unpack(home, tmp_path / "empty") == 0  # all came home before
    pack(runs, home, 300, again=True)
    assert unpack(home, tmp_path / "again") == 9


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("number", [0, 1, -1])
@pytest.mark.parametrize("left", [0, 1000, None])
def test_a_piece_that_is_missing_or_cut_is_noticed(tmp_path: Path, number: int, left: int | None) -> None:
    students(tmp_path / "runs", 3, 50_000)
    pack(tmp_path / "runs", tmp_path / "home", 300)
    piece = sorted((tmp_path / "home").iterdir())[number]
    if left is None:
        piece.unlink()
    else:
        piece.write_bytes(piece.read_bytes()[:left])
    with pytest.raises(UsageError, match="missing or damaged"):
        unpack(tmp_path / "home", tmp_path / "other")
    assert not list((tmp_path / "other").rglob("*"))


def test_a_folder_without_pieces_is_no_mistake_of_its_pieces(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no pieces"):
        unpack(tmp_path / "nowhere", tmp_path / "runs")


@pytest.mark.usefixtures("small_pieces")
def test_pieces_that_nobody_took_are_not_lost(tmp_path: Path) -> None:
    runs, home = tmp_path / "runs", tmp_path / "home"
    students(runs, 2, 50_000)
    pack(runs, home, 300)
    (runs / "student-fast-2").mkdir()
    (runs / "student-fast-2" / "config.yaml").write_text("trainer: {}\n")
    pack(runs, home, 300)
    assert unpack(home, tmp_path / "other") == 7


@pytest.mark.usefixtures("small_pieces")
def test_a_full_disk_leaves_no_half_file_and_loses_nothing(tmp_path: Path) -> None:
    runs, home, other = tmp_path / "runs", tmp_path / "home", tmp_path / "other"
    students(runs, 3, 50_000)
    with full_after(30_000), pytest.raises(OSError, match="large"):
        pack(runs, home, 300)
    pack(runs, home, 300)
    with full_after(30_000), pytest.raises(RunError, match="cannot be written"):
        unpack(home, other)
    unpack(home, other)
    for file in runs.rglob("*.pt"):
        assert (other / file.relative_to(runs)).read_bytes() == file.read_bytes()


@pytest.mark.usefixtures("small_pieces")
def test_what_finds_no_place_is_named_and_comes_with_the_next_call(tmp_path: Path) -> None:
    runs, home = tmp_path / "runs", tmp_path / "home"
    students(runs, 4, 120_000)
    assert pack(runs, home, 300) == ["student-fast-2/best.pt", "student-fast-3/best.pt"]
    assert sum(piece.stat().st_size for piece in home.iterdir()) <= 8 * 40_000
    home.rename(tmp_path / "taken")
    assert pack(runs, home, 300) == []


def test_a_teacher_that_came_home_small_travels_on(tmp_path: Path) -> None:
    runs, home = tmp_path / "runs", tmp_path / "home"
    teacher = runs / "teacher-vgg16-0"
    teacher.mkdir(parents=True)
    for name in ("config.yaml", "summary.json", "small.pt"):
        (teacher / name).write_text("{}")
    pack(runs, home, 300)
    assert unpack(home, tmp_path / "other") == 3


def test_small_weights_are_nearly_the_same() -> None:
    torch.manual_seed(0)
    weights = {"kernel": torch.randn(8, 4, 3, 3), "bias": torch.randn(8), "steps": torch.tensor(7)}
    again = restore(shrink(weights))
    assert torch.equal(again["bias"], weights["bias"]) and torch.equal(again["steps"], weights["steps"])
    largest = weights["kernel"].flatten(1).abs().amax(1).view(8, 1, 1, 1)
    assert ((again["kernel"] - weights["kernel"]).abs() <= largest / 127 / 2 + 1e-6).all()
    assert torch.equal(restore(shrink(again))["kernel"], again["kernel"])  # so that answers can be continued


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the MINUTES"),
        (["5"], "name the data set"),
        (["nan", "--data", "toy"], "must be a number"),
        (["5", "--data", "toy", "--models", "residual/flat", "nonsense"], "no row is named 'nonsense' here"),
        (["5", "--data", "toy", "--jobs", "0"], "at least 1"),
        (["5", "--data", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (["0", "--from", "nowhere"], "nowhere: there are no pieces"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2 and words in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_lease_that_is_killed_and_one_that_is_too_short_end_as_one(tmp_path: Path) -> None:
    lines = ["emotion,pixels,Usage"]
    for split, usage in (("training", "Training"), ("public_test", "PublicTest"), ("private_test", "PrivateTest")):
        faces = toy_dataset()[split].take(slice(0, 28))
        pairs = zip(faces.images, faces.labels, strict=True)
        lines += [f"{label},{' '.join(map(str, image.ravel()))},{usage}" for image, label in pairs]
    (tmp_path / "fer2013.csv").write_text("\n".join(lines) + "\n")

    killed = started("30", "runs", tmp_path)
    deadline = time.monotonic() + 600
    while not list((tmp_path / "runs").glob("teacher-*/last.pt")) and time.monotonic() < deadline:
        time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    while leftover(tmp_path):  # its trainings end with it
        time.sleep(0.5)
    epochs = [line for file in (tmp_path / "runs").glob("teacher-*/metrics.jsonl") for line in file.open()]
    assert epochs

    short = started("0.2", "runs", tmp_path)
    assert "run the same command again to continue" in short.communicate()[1]

    # Another machine goes on with what came home.
    (tmp_path / "home").rename(tmp_path / "came")
    last = started("30", "other", tmp_path, "--from", str(tmp_path / "came"))
    output = last.communicate()[1]
    assert last.returncode == 0 and "all is done" in output, output
    assert load_checkpoint(tmp_path / "other" / "student-fast-0" / "best.pt").teachers
    assert all(piece.stat().st_size <= 16 * 2**20 for piece in (tmp_path / "home").iterdir())


def started(minutes: str, runs: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scripts.training.lease", minutes, "--data", str(folder / "fer2013.csv")]
    command += ["--runs", str(folder / runs), "--home", str(folder / "home"), "--jobs", "2", "--epochs", "2"]
    command += ["--views", "2", "--seeds", "1", "--models", "residual/pooled", *more]
    settings = ["teacher.width=0.125", "compile=false", "threads=1", "checkpoint_s=0"]
    settings += ["teacher.fit.batch_size=14", "student.fit.batch_size=14"]
    command += [part for setting in settings for part in ("--set", f"trainer.{setting}")]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def leftover(folder: Path) -> bool:
    """Whether a process still works in the folder."""
    return any(str(folder).encode() in _command(entry) for entry in Path("/proc").glob("[0-9]*/cmdline"))


def _command(entry: Path) -> bytes:
    try:
        return entry.read_bytes()
    except OSError:
        return b""
