"""Compare smoothing filters: thresholds from one half of PublicTest's faces, scores on the other.

    python -m benchmarks.smoothing --data ../shared/data/fer2013 [--clips 20] [--search] [--json]

A clip is ten expressions of five seconds at 15 frames a second, each shown by one face, or by
another face with the same label every second or half second; the faces jitter as a detector's crops
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
from device.replay.metrics import Recording, Say, Verdict, judge, steadied, unsteadied
from device.replay.replay import as_lines
from tests.support.replays import recording, script
from trainer.data.dataset import LABELS, FaceSet
from trainer.data.fer2013 import load_dataset

VIEWS_S = {"one face": 5.0, "a face a second": 1.0, "two faces a second": 0.5}
SEGMENTS = 10
RATES = {15: 1, 5: 3, 2: 7}  # classifications a second: one in so many frames
LEAVE = (0.1, 0.2, 0.3)
GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "hmm": {"time_constant_s": (0.4, 0.5, 0.7, 1.0), "stay_s": (2.0, 3.0), "enter": (0.7, 0.8, 0.9), "leave": LEAVE},
    "ema": {"time_constant_s": (0.3, 0.5, 0.8, 1.2), "enter": (0.4, 0.5, 0.6, 0.7), "leave": LEAVE},
    "none": {"enter": (0.5, 0.7, 0.9), "leave": LEAVE},
}
DWELL_S = (0.5, 1.0, 2.0)


def main() -> int:
    """Search on one half of the faces if requested, score on the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="D", help="FER2013 in any form that the trainer accepts")
    parser.add_argument("--clips", type=int, default=20, help="clips of each kind (default: 20)")
    parser.add_argument("--search", action="store_true", help="search each filter's thresholds (minutes)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    faces = load_dataset(args.data)["public_test"]
    settings = search(clips(faces.take(slice(0, None, 2)), 8, 1)) if args.search else {"hmm": SmootherConfig()}
    judged = clips(faces.take(slice(1, None, 2)), args.clips, 2)
    tables = {kind: table(settings, recordings) for kind, recordings in judged.items()}
    for rate, every in RATES.items():
        slow = [thinned(each, every) for recordings in judged.values() for each in recordings]
        tables[f"all, {rate} readings a second"] = {"default": judge(slow, steadied(SmootherConfig()))}
    print(as_json(settings, tables) if args.json else as_text(settings, tables))
    return 0


def clips(faces: FaceSet, count: int, seed: int) -> dict[str, list[Recording]]:
    """`count` clips of each kind with the scores of the bundled network."""
    classifier = Classifier()

    def read(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
        return np.stack([seen.scores for seen in classifier.classify(crops)])

    return {
        kind: [
            recording(kind, list(script(faces, LABELS, SEGMENTS, view_s, 1000 * seed + n)), read, LABELS)
            for n in range(count)
        ]
        for kind, view_s in VIEWS_S.items()
    }


def thinned(whole: Recording, every: int) -> Recording:
    """The same clip with only one in `every` frames classified."""
    return dataclasses.replace(whole, looks=whole.looks[::every])


def search(recordings: dict[str, list[Recording]]) -> dict[str, SmootherConfig]:
    """The best setting of each filter: most right time, less half of the wrong time.

    Only settings that are restless in at most one segment of 25 on every kind of clip are
    candidates; if a filter has none, its least restless ones are.
    """
    found = {}
    for kind in GRID:
        scored = [(config, [judge(each, steadied(config)) for each in recordings.values()]) for config in grid(kind)]
        calm = max(0.04, min(restless(verdicts) for _, verdicts in scored))
        good = [(config, verdicts) for config, verdicts in scored if restless(verdicts) <= calm]
        found[kind] = max(good, key=lambda each: sum(one.right - one.wrong / 2 for one in each[1]))[0]
    return found


def restless(verdicts: list[Verdict]) -> float:
    """The restless share on the worst kind of clip."""
    return max(verdict.restless for verdict in verdicts)


def grid(kind: str) -> Iterator[SmootherConfig]:
    """The candidate settings of one filter."""
    axes = {"dwell_s": DWELL_S} | GRID[kind]
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        yield dataclasses.replace(SmootherConfig(kind=kind), **chosen)  # type: ignore[arg-type]


def table(settings: dict[str, SmootherConfig], recordings: list[Recording]) -> dict[str, Verdict]:
    """The scores of the network alone, and of each setting."""
    says: dict[str, Say] = {"network": unsteadied} | {name: steadied(config) for name, config in settings.items()}
    return {name: judge(recordings, say) for name, say in says.items()}


def as_json(settings: dict[str, SmootherConfig], tables: dict[str, dict[str, Verdict]]) -> str:
    """settings {filter: its settings}, tables {kind of clip: {filter: verdict}}."""
    plain = {kind: {name: dataclasses.asdict(each) for name, each in rows.items()} for kind, rows in tables.items()}
    return json.dumps({"settings": {k: dataclasses.asdict(v) for k, v in settings.items()}, "tables": plain}, indent=2)


def as_text(settings: dict[str, SmootherConfig], tables: dict[str, dict[str, Verdict]]) -> str:
    """The settings, and a table for each kind of clip."""
    lines = [f"{name}: {config}" for name, config in settings.items()]
    for kind, rows in tables.items():
        any_one = next(iter(rows.values()))
        lines.append(f"\n{kind}: {any_one.minutes:.1f} minutes, {any_one.changes} changes\n{as_lines(rows)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
