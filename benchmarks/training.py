"""Training speed of teacher and student with and without augmentation.

    python benchmarks/training.py [--config config.yaml] [--steps 20] [--json]

The steps are those of `trainer.training.loop`, on toy faces, the student with one teacher. Both
variants take turns, so that other load affects both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from trainer.artifacts.loading import Network
from trainer.config import TrainConfig, load_config
from trainer.data.fer2013 import toy_dataset
from trainer.models import build_teacher
from trainer.training.learner import Learner, Task


def main() -> int:
    """Measure both networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, metavar="F", help="config file (default: the built-in settings)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a setting"
    )
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each kind (default: 20)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    config = load_config(args.config, args.overrides)
    results = {kind: measure(kind, config, args.steps) for kind in ("teacher", "student")}
    print(json.dumps(results, indent=2) if args.json else as_text(results))
    return 0


def measure(kind: str, config: TrainConfig, steps: int) -> dict[str, Any]:
    """Images per second, from the median step, and the share of time for augmentation."""
    dataset = toy_dataset()
    teachers = () if kind == "teacher" else (Network(build_teacher(config.teacher, 7).eval(), "teacher"),)
    learner = Learner(Task(kind, config, dataset, teachers))
    learner.model.train()
    augment = learner.views.augment
    times: dict[str, list[float]] = {"with": [], "without": []}
    for step, index in enumerate(batches(learner, 2 * steps + 4)):
        name = ("with", "without")[step % 2]
        learner.views.augment = augment if name == "with" else lambda faces: faces  # type: ignore[assignment]
        took = timed(learner, index)
        if step >= 4:
            times[name].append(took)
    speed = {name: learner.fit.batch_size / statistics.median(values) for name, values in times.items()}
    return {
        "images_per_s": {name: round(value, 1) for name, value in speed.items()},
        "augmentation_share": round(1 - speed["with"] / speed["without"], 4),
        "device": str(learner.device),
        "threads": torch.get_num_threads(),
        "batch_size": learner.fit.batch_size,
        "n": steps,
    }


def batches(learner: Learner, count: int) -> Iterator[torch.Tensor]:
    """Indices of training faces, a batch at a time."""
    size, faces = learner.fit.batch_size, len(learner.views.labels)
    for step in range(count):
        yield (torch.arange(size, device=learner.device) + step * size) % faces


def timed(learner: Learner, index: torch.Tensor) -> float:
    """Seconds of one step, views included."""
    if learner.device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    loss, _ = learner.step(learner.views.batch(index))
    loss.item()  # waits for the device
    return time.perf_counter() - began


def as_text(results: dict[str, Any]) -> str:
    """One line per network."""
    lines = []
    for kind, r in results.items():
        speed, cost = r["images_per_s"], 100 * r["augmentation_share"]
        lines.append(
            f"{kind}: {speed['with']:,.0f} images/s with augmentation, {speed['without']:,.0f} without, so it costs"
            f" {cost:.1f} % ({r['device']}, {r['threads']} threads, n = {r['n']} steps each)"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
