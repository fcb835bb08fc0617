"""Compares the smoother's filters, tuned and evaluated on two halves of FER2013's PublicTest.

    python -m benchmarks.smoothing --data ../shared/data/fer2013 [--clips 20] [--search] [--json]

A clip shows ten expressions of five seconds at 15 frames a second, each with one face, or with
another face of the same label every second or half second. The faces jitter as a detector's crops
do. No file is written.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig
from device.inference.classifier import Classifier
from device.replay.metrics import Labeller, Metrics, Recording, evaluate, raw_labels, smoothed_labels
from device.replay.replay import format_table
from tests.support.replays import recording, script
from trainer.data.dataset import LABELS, FaceSet
from trainer.data.fer2013 import load_dataset

VIEWS_S = {"one face": 5.0, "a face a second": 1.0, "two faces a second": 0.5}
SEGMENTS = 10
RATES = {15: 1, 5: 3, 2: 7}  # classifications a second -> one of how many frames
LEAVE = (0.1, 0.2, 0.3)
GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "hmm": {"time_constant_s": (0.4, 0.5, 0.7, 1.0), "stay_s": (2.0, 3.0), "enter": (0.7, 0.8, 0.9), "leave": LEAVE},
    "ema": {"time_constant_s": (0.3, 0.5, 0.8, 1.2), "enter": (0.4, 0.5, 0.6, 0.7), "leave": LEAVE},
    "none": {"enter": (0.5, 0.7, 0.9), "leave": LEAVE},
}
DWELL_S = (0.5, 1.0, 2.0)


def main() -> int:
    """Search on one half of the faces if requested, evaluate on the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="D", help="FER2013, in any format that the trainer reads")
    parser.add_argument("--clips", type=int, default=20, help="clips of each kind (default: 20)")
    parser.add_argument("--search", action="store_true", help="search for the best thresholds of each filter (minutes)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    faces = load_dataset(args.data)["public_test"]
    settings = search(clips(faces.take(slice(0, None, 2)), 8, 1)) if args.search else {"hmm": SmootherConfig()}
    recordings = clips(faces.take(slice(1, None, 2)), args.clips, 2)
    tables = {kind: table(settings, some) for kind, some in recordings.items()}
    for rate, every in RATES.items():
        slow = [thinned(each, every) for some in recordings.values() for each in some]
        tables[f"all, {rate} classifications a second"] = {"default": evaluate(slow, smoothed_labels(SmootherConfig()))}
    print(as_json(settings, tables) if args.json else as_text(settings, tables))
    return 0


def clips(faces: FaceSet, count: int, seed: int) -> dict[str, list[Recording]]:
    """Return recordings of each kind of clip, classified by the bundled network."""
    classifier = Classifier()

    def classify(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
        return np.stack([reading.scores for reading in classifier.classify(crops)])

    return {
        kind: [
            recording(kind, list(script(faces, LABELS, SEGMENTS, view_s, 1000 * seed + n)), classify, LABELS)
            for n in range(count)
        ]
        for kind, view_s in VIEWS_S.items()
    }


def thinned(whole: Recording, every: int) -> Recording:
    """Return the same clip with one of `every` frames classified."""
    return dataclasses.replace(whole, frames=whole.frames[::every])


def search(recordings: dict[str, list[Recording]]) -> dict[str, SmootherConfig]:
    """Return the best settings of each filter: the highest share right, minus half the share wrong.

    Only settings that are restless in at most one segment of 25 on each kind of clip are allowed;
    if there are none, those that are restless least.
    """
    found = {}
    for kind in GRID:
        scored = [
            (config, [evaluate(each, smoothed_labels(config)) for each in recordings.values()]) for config in grid(kind)
        ]
        limit = max(0.04, min(restless(metrics) for _, metrics in scored))
        allowed = [(config, metrics) for config, metrics in scored if restless(metrics) <= limit]
        found[kind] = max(allowed, key=lambda each: sum(one.right - one.wrong / 2 for one in each[1]))[0]
    return found


def restless(metrics: list[Metrics]) -> float:
    """Return the highest share of restless segments of any kind of clip."""
    return max(each.restless for each in metrics)


def grid(kind: str) -> Iterator[SmootherConfig]:
    """Yield all settings of one filter that the search tries."""
    axes = {"dwell_s": DWELL_S} | GRID[kind]
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        yield dataclasses.replace(SmootherConfig(kind=kind), **chosen)  # type: ignore[arg-type]


def table(settings: dict[str, SmootherConfig], recordings: list[Recording]) -> dict[str, Metrics]:
    """Return metrics for the network without a smoother, and for each setting."""
    labellers: dict[str, Labeller] = {"network": raw_labels} | {
        name: smoothed_labels(config) for name, config in settings.items()
    }
    return {name: evaluate(recordings, labeller) for name, labeller in labellers.items()}


def as_json(settings: dict[str, SmootherConfig], tables: dict[str, dict[str, Metrics]]) -> str:
    """Return JSON: settings {filter: its settings}, tables {kind of clip: {filter: metrics}}."""
    plain = {kind: {name: dataclasses.asdict(each) for name, each in rows.items()} for kind, rows in tables.items()}
    return json.dumps({"settings": {k: dataclasses.asdict(v) for k, v in settings.items()}, "tables": plain}, indent=2)


def as_text(settings: dict[str, SmootherConfig], tables: dict[str, dict[str, Metrics]]) -> str:
    """Return the settings, and a table for each kind of clip."""
    lines = [f"{name}: {config}" for name, config in settings.items()]
    for kind, rows in tables.items():
        first = next(iter(rows.values()))
        lines.append(f"\n{kind}: {first.minutes:.1f} minutes, {first.changes} changes\n{format_table(rows)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
