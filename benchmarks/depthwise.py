"""Training speed of networks with our depthwise convolutions, and with PyTorch's own.

    python benchmarks/depthwise.py [--rows R ...] [--steps 10] [--threads 1] [--json]

On a CPU `trainer.models.depthwise.DepthwiseConv` computes two of the gradients faster. A step is
forward, backward and optimiser, on noise; both kinds take turns, so that other load affects both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainer.artifacts.checkpoint import build
from trainer.compare.studies import STUDIES, Experiment
from trainer.data.dataset import LABELS, SIDE
from trainer.models.depthwise import DepthwiseConv
from trainer.training.batches import channels_last
from trainer.training.losses import cross_entropy, targets_of
from trainer.training.optim import make_optimizer

ROWS = ("se-resnet/mobilenet_v3_small", "se-resnet/mobilenet_v3_large", "compact/light_mobilenet")


def main() -> int:
    """Measure each row."""
    rows = {row.key: row for study in STUDIES.values() for row in study if row.model is None}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", nargs="+", default=ROWS, choices=rows, metavar="R", help="as `trainer compare --list` names them"
    )
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each kind (default: 10)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {name: measure(rows[name], args.steps) for name in args.rows}
    print(json.dumps(results, indent=2) if args.json else "\n".join(as_text(*item) for item in results.items()))
    return 0


def measure(row: Experiment, steps: int) -> dict[str, Any]:
    """Images per second of both kinds, from the median step."""
    kinds = {"ours": teaching(row, plain=False), "plain": teaching(row, plain=True)}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(steps + 2):
        for name, step in kinds.items():
            began = time.perf_counter()
            step()
            if turn >= 2:
                times[name].append(time.perf_counter() - began)
    size = row.config.study.fit.batch_size
    speed = {name: size / statistics.median(values) for name, values in times.items()}
    return {
        "images_per_s": {name: round(value, 1) for name, value in speed.items()},
        "ratio": round(speed["ours"] / speed["plain"], 2),
        "threads": torch.get_num_threads(),
        "batch_size": size,
        "n": steps,
    }


def teaching(row: Experiment, plain: bool) -> Callable[[], None]:
    """One training step of a row, with plain depthwise convolutions or ours."""
    fit = row.config.study.fit
    torch.manual_seed(fit.seed)
    model = build("study", row.config, len(LABELS), 0).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    if plain:
        for module in model.modules():
            if isinstance(module, DepthwiseConv):
                module.__class__ = nn.Conv2d  # type: ignore[assignment]
    optimizer = make_optimizer(model, fit)
    faces = channels_last(torch.rand(fit.batch_size, 1, SIDE, SIDE))
    targets = targets_of(torch.randint(len(LABELS), (fit.batch_size,)), len(LABELS), 0.0)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(faces)
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(logits, targets).backward()
        optimizer.step()

    return step


def as_text(name: str, result: dict[str, Any]) -> str:
    """One line per row."""
    speed = result["images_per_s"]
    return (
        f"{name}: {speed['ours']:,.0f} images/s, {speed['plain']:,.0f} with plain convolutions,"
        f" {result['ratio']:.2f} times"
        f" (batch {result['batch_size']}, {result['threads']} threads, n = {result['n']} steps each)"
    )


if __name__ == "__main__":
    sys.exit(main())
