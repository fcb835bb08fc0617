"""Which filter steadies best: thresholds found on one half of FER2013's PublicTest faces, judged on the other.

    python -m benchmarks.smoothing --data ../shared/data/fer2013 [--clips 20] [--search] [--json]

A clip is ten expressions of five seconds at 15 frames a second, each shown by one face, or by another face with the
same label every second or half second; the faces jitter as a detector's crops do. Nothing is written down.
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
RATES = {15: 1, 5: 3, 2: 7}  # readings a second: every so many frames
LEAVE = (0.1, 0.2, 0.3)
GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "hmm": {"time_constant_s": (0.4, 0.5, 0.7, 1.0), "stay_s": (2.0, 3.0), "enter": (0.7, 0.8, 0.9), "leave": LEAVE},
    "ema": {"time_constant_s": (0.3, 0.5, 0.8, 1.2), "enter": (0.4, 0.5, 0.6, 0.7), "leave": LEAVE},
    "none": {"enter": (0.5, 0.7, 0.9), "leave": LEAVE},
}
DWELL_S = (0.5, 1.0, 2.0)


def main() -> int:
    """Search on one half of the faces if asked to, judge on the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="D", help="FER2013, in any form that the trainer reads")
    parser.add_argument("--clips", type=int, default=20, help="clips of each kind (default: 20)")
    parser.add_argument("--search", action="store_true", help="look for each filter's thresholds (minutes)")
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
    """So many clips of each kind, as the bundled network reads them."""
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
    """The same clip, of which only every so many frames were read."""
    return dataclasses.replace(whole, looks=whole.looks[::every])


def search(recordings: dict[str, list[Recording]]) -> dict[str, SmootherConfig]:
    """Each filter's setting that is right most and wrong least (half as bad), among those that hardly ever flip twice.

    Hardly ever: in at most one segment of 25, whatever the kind of clip; or as seldom as the filter can.
    """
    found = {}
    for kind in GRID:
        scored = [(config, [judge(each, steadied(config)) for each in recordings.values()]) for config in grid(kind)]
        calm = max(0.04, min(restless(verdicts) for _, verdicts in scored))
        good = [(config, verdicts) for config, verdicts in scored if restless(verdicts) <= calm]
        found[kind] = max(good, key=lambda each: sum(one.right - one.wrong / 2 for one in each[1]))[0]
    return found


def restless(verdicts: list[Verdict]) -> float:
    """Of the kind of clip on which it is worst."""
    return max(verdict.restless for verdict in verdicts)


def grid(kind: str) -> Iterator[SmootherConfig]:
    """The settings of one filter that are tried."""
    axes = {"dwell_s": DWELL_S} | GRID[kind]
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        yield dataclasses.replace(SmootherConfig(kind=kind), **chosen)  # type: ignore[arg-type]


def table(settings: dict[str, SmootherConfig], recordings: list[Recording]) -> dict[str, Verdict]:
    """A verdict for the bare network, and one for each setting."""
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
