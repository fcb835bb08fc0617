"""Training speed of the costliest rows of `trainer compare`, in float32 and in bfloat16.

    python -m benchmarks.study_speed [--rows 5] [--steps 3] [--threads 1] [--json]

The steps are those of `trainer.training.loop`, on toy faces, with the row's own network, batch,
optimiser and augmentation. Both precisions take turns, so that other load affects both. To see a
processor without bfloat16 (AVX2 only) on one that has it, limit both libraries that compute:

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python -m benchmarks.study_speed
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from typing import Any

import torch

from benchmarks.training import batches, timed
from trainer.compare.studies import STUDIES, Experiment
from trainer.compare.untrained import untrained_result
from trainer.data.fer2013 import toy_dataset
from trainer.training.learner import Learner, Task

PRECISIONS = {"float32": "false", "bfloat16": "true"}


def main() -> int:
    """Measure the costliest rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5, help="number of rows, by multiply-accumulates (default: 5)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each precision (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {}
    for row, mmac in costliest(args.rows):
        results[row.key] = {"mmac": round(mmac, 1), "threads": args.threads} | measure(row, args.steps)
        if not args.json:
            print(as_text(row.key, results[row.key]), flush=True)
    if args.json:
        print(json.dumps(results, indent=2))
    return 0


def costliest(count: int) -> list[tuple[Experiment, float]]:
    """The costliest rows, each with its multiply-accumulates of a face in millions."""
    rows = [row for study in STUDIES.values() for row in study if row.model is None]
    costs = [(row, (untrained_result(row).macs or 0) / 1e6) for row in rows]
    return sorted(costs, key=lambda item: -item[1])[:count]


def measure(row: Experiment, steps: int) -> dict[str, Any]:
    """Images per second in each precision, from the median step."""
    dataset = toy_dataset()
    learners = {
        name: Learner(Task("study", replace(row.config, bf16=bf16), dataset)) for name, bf16 in PRECISIONS.items()
    }
    times: dict[str, list[float]] = {name: [] for name in learners}
    for learner in learners.values():
        learner.model.train()
    for step, index in enumerate(batches(next(iter(learners.values())), steps + 1)):
        for name, learner in learners.items():
            took = timed(learner, index)
            if step:  # the first one also allocates
                times[name].append(took)
    batch = row.config.study.fit.batch_size
    return {name: round(batch / statistics.median(values), 1) for name, values in times.items()} | {"batch": batch}


def as_text(key: str, r: dict[str, Any]) -> str:
    """One line of a row."""
    return (
        f"{key:24s} {r['mmac']:8,.0f} MMAC  float32 {r['float32']:7,.1f} images/s"
        f"  bfloat16 {r['bfloat16']:7,.1f} images/s  (batch {r['batch']}, {r['threads']} threads)"
    )


if __name__ == "__main__":
    sys.exit(main())
