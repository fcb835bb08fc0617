"""Two processes under torchrun train the same network as one: gloo, CPU, the same batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainer.config import StudentConfig
from trainer.models import build_student
from trainer.training.distributed import ALONE, ProcessGroup, SharedBatchNorm2d

# Each process runs an epoch of a small student on toy faces, five steps; the first saves it.
# Sums over 14 and 28 faces round differently, so larger steps differ more.
PROGRAM = """
import json, sys
from pathlib import Path
from dataclasses import replace
from trainer.config import DistillConfig, FitConfig, StudentConfig, TrainConfig
from trainer.data.fer2013 import Dataset, toy_dataset
from trainer.training.learner import Learner, Task
from trainer.training.distributed import join_group

fit = FitConfig(epochs=9, batch_size=28, lr=0.002, warmup_epochs=0, mixup=0.2, mixup_share=0.5)
student = StudentConfig(channels=(8, 8, 8), tail=8, dropout=0.0, fit=fit)
config = TrainConfig(student=student, distill=DistillConfig(degrade=0.5), threads=1, bf16="false")
faces = {name: split.take(slice(0, 140)) for name, split in toy_dataset().splits.items()}
group = join_group("cpu")
learner = Learner(Task("student", config, Dataset(faces, "toy")), group)
loss = learner.epoch(0, 1.0, lambda faces: None)["loss"]
if group.leads:
    Path(sys.argv[1]).write_text(json.dumps({"loss": loss, **learner.score(), "size": group.size}))
"""


def result_of(processes: int, folder: Path) -> dict[str, object]:
    program, out = folder / "program.py", folder / f"{processes}.json"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    alone = [sys.executable]
    done = subprocess.run(
        [*(command if processes > 1 else alone), str(program), str(out)], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(out.read_text())
    return found


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    one, two = result_of(1, tmp_path), result_of(2, tmp_path)
    assert (one["size"], two["size"]) == (1, 2)
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-4)
    assert two["loss_public"] == pytest.approx(one["loss_public"], abs=1e-4)


def test_shares_of_a_batch_are_the_batch() -> None:
    batch = torch.arange(7)
    shares = [ProcessGroup(rank, 3).share(batch) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == batch.tolist()


def test_a_group_of_one_changes_nothing() -> None:
    model = build_student(StudentConfig(channels=(8, 8, 8), tail=0), 7)
    assert not any(isinstance(m, SharedBatchNorm2d) for m in ALONE.share_batch_norms(model).modules())
    assert float(ALONE.mean(torch.tensor(3.0))) == 3.0 and ALONE.first(lambda: 5) == 5
