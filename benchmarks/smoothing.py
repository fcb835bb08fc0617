"""Compares the smoother's filters, tuned and evaluated on two halves of FER2013's PublicTest.

    python -m benchmarks.smoothing --data ../shared/data/fer2013 [--search] [--one-view] [--json]

A clip shows ten expressions of five seconds at 15 frames a second, each with one face, or with
another face of the same label every second or half second. The expressions are as frequent as in
PublicTest, or equally frequent. The faces jitter as a detector's crops do, and are shown to the
network as the device shows them: mirrored, larger and smaller in turn. docs/smoothing.md explains
the objective of the search. Without --keep no file is written.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from device.config.schema import SmootherConfig
from device.errors import EmotionEdgeError
from device.inference.classifier import Classifier
from device.messages import UNKNOWN
from device.replay.metrics import (
    FrameScores,
    Labeller,
    Metrics,
    Recording,
    Segment,
    evaluate,
    raw_labels,
    smoothed_labels,
)
from device.replay.replay import format_table
from device.vision.face_reader import VIEWS as SHOWN
from device.vision.face_reader import View
from device.vision.smoother import make_smoother
from trainer.data.dataset import LABELS
from trainer.data.fer2013 import load_dataset
from trainer.smoothing.clips import VIEWS_PER_S, ClipMaker
from trainer.smoothing.views import VIEWS_SEED, Views, classify_views

VIEWS = 24  # of each face
VIEWS_S = {"one face": math.inf, "a face a second": 1.0, "two faces a second": 0.5}
FREQUENCIES = ("natural", "equal")
SEGMENTS, SEGMENT_S = 10, 5.0
RATES = {5: 3, 2: 7}  # classifications a second -> one of how many frames
OTHER_SEGMENTS_S = (2.0, 15.0)
CLEAR = 0.8  # a face is clear if the mean score of its best label is this or more
MAX_FLIPS = 1.58  # a change, on the faces of the search; so that other faces stay below 1.6
LEAVE, DWELL_S = (0.15, 0.25, 0.3, 0.35), (0.0, 0.2, 0.4)
GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "hmm": {
        "change_weight": (0.0, 4.0, 7.4, 12.0),
        "time_constant_s": (0.4, 0.52),
        "stay_s": (3.0, 5.0),
        "enter": (0.45, 0.5, 0.55, 0.6, 0.65),
    },
    "ema": {"time_constant_s": (0.3, 0.5, 0.8), "enter": (0.4, 0.45, 0.5, 0.55)},
    "none": {"enter": (0.65, 0.75, 0.85)},
}
Clips = dict[str, list[Recording]]


def main() -> int:
    """Search on the even faces if requested, evaluate on the odd ones; exit 1 without faces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="D", help="FER2013, in any format that the trainer reads")
    parser.add_argument("--clips", type=int, default=60, help="clips of each kind (default: 60)")
    parser.add_argument("--search", action="store_true", help="search for the best thresholds of each filter (minutes)")
    parser.add_argument("--one-view", action="store_true", help="as with device.reading.views=false")
    parser.add_argument("--keep", type=Path, metavar="F", help="keep the network's scores in this .npy file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        views = scored_views(args.data, args.keep, SHOWN[:1] if args.one_view else SHOWN)
    except EmotionEdgeError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    settings = {kind: SmootherConfig(kind=kind) for kind in ("hmm", "ema")}
    if args.search:
        settings = search(clips(views.take(slice(0, None, 2)), 8, 1))
    odd = views.take(slice(1, None, 2))
    tables = evaluated(settings, odd, args.clips)
    others = {"first label": first_labels(settings, odd), "microseconds": microseconds(settings, odd)}
    print(as_json(settings, tables, others) if args.json else as_text(settings, tables, others))
    return 0


def scored_views(data: str, kept: Path | None, shown: Sequence[View] = SHOWN) -> Views:
    """Return the bundled network's scores of jittered views of the PublicTest faces."""
    faces = load_dataset(data)["public_test"]
    if kept is not None and kept.is_file():
        return Views(np.load(kept), faces.labels)
    order = progress(range(len(faces)), "faces")
    views = classify_views(Classifier(), faces, order, VIEWS, VIEWS_SEED, shown)
    if kept is not None:
        np.save(kept, views.scores)
    return views


def progress(items: Iterable[Any], what: str) -> Iterable[Any]:
    """Return the items, with a progress bar on a terminal."""
    console = Console(stderr=True)
    return track(items, what, console=console, disable=not console.is_terminal)


def clips(views: Views, count: int, seed: int, segment_s: float = SEGMENT_S) -> Clips:
    """Return recordings of each kind of clip, `count` of each."""
    pools = [np.flatnonzero(views.labels == k) for k in range(len(LABELS))]
    natural = np.array([len(pool) for pool in pools]) / len(views.labels)
    maker = ClipMaker(views, pools)
    chances = {"natural": natural, "equal": np.full(len(LABELS), 1 / len(LABELS))}
    kinds = itertools.product(enumerate(FREQUENCIES), enumerate(VIEWS_S.items()))
    return {
        f"{name}, {often}": [
            recording(maker, chances[often], view_s, segment_s, np.random.default_rng([seed, f, v, n]))
            for n in range(count)
        ]
        for (f, often), (v, (name, view_s)) in kinds
    }


def recording(
    maker: ClipMaker, chances: np.ndarray[Any, Any], view_s: float, segment_s: float, generator: np.random.Generator
) -> Recording:
    """Return the scores of one clip, with its true labels."""
    frames = round(SEGMENTS * segment_s * VIEWS_PER_S)
    elapsed_s = np.full(frames, 1 / VIEWS_PER_S)
    elapsed_s[0] = 0.0
    clip = maker.fixed_clip(elapsed_s, chances, view_s, lambda: segment_s, generator)
    scores = clip.scores[0].tolist()
    seen = tuple(FrameScores(n / VIEWS_PER_S, 1, tuple(row), 100.0) for n, row in enumerate(scores))
    shown = [
        Segment(n * segment_s, (n + 1) * segment_s, LABELS[clip.labels[0, round(n * segment_s * VIEWS_PER_S)]])
        for n in range(SEGMENTS)
    ]
    return Recording("clip", LABELS, seen, tuple(shown))


def thinned(whole: Recording, every: int) -> Recording:
    """Return the same clip with one of `every` frames classified."""
    return dataclasses.replace(whole, frames=whole.frames[::every])


def search(recordings: Clips) -> dict[str, SmootherConfig]:
    """Return the best settings of each filter by `objective`, over all clips together.

    Only settings with at most `MAX_FLIPS` flips a change are allowed; if there are none, those with
    the fewest.
    """
    every = [each for some in recordings.values() for each in some]
    found = {}
    for kind, axes in GRID.items():
        scored = [
            each for filtered in progress(list(configs(kind, axes)), kind) for each in thresholds(filtered, every)
        ]
        limit = max(MAX_FLIPS, min(metrics.flips_per_change for _, metrics in scored))
        allowed = [each for each in scored if each[1].flips_per_change <= limit]
        found[kind] = max(allowed, key=lambda each: objective(each[1]))[0]
    return found


def objective(metrics: Metrics) -> float:
    """What the defaults maximise; a wrong label costs as much as a right one gains."""
    return metrics.right - metrics.wrong - 0.3 * metrics.unknown


def configs(kind: str, axes: dict[str, tuple[float, ...]]) -> Iterator[SmootherConfig]:
    """Yield one filter with each combination of its own settings, without the thresholds."""
    own = {name: values for name, values in axes.items() if name != "enter"}
    for values in itertools.product(*own.values()):
        yield changed(SmootherConfig(kind=kind), **dict(zip(own, values, strict=True)))


def thresholds(config: SmootherConfig, recordings: list[Recording]) -> Iterator[tuple[SmootherConfig, Metrics]]:
    """Yield the filter with each combination of thresholds, and its metrics; it runs only once."""
    beliefs = [believed(each, config) for each in recordings]
    for enter, leave, dwell_s in itertools.product(GRID[config.kind]["enter"], LEAVE, DWELL_S):
        tried = changed(config, enter=enter, leave=leave, dwell_s=dwell_s)
        yield tried, evaluate(beliefs, thresholded(tried))


def thresholded(config: SmootherConfig) -> Labeller:
    """Return what `Smoother` does with beliefs, in a tenth of the time; a test compares the two."""

    def label(beliefs: Recording) -> list[str]:
        labels, current, since_s = [], UNKNOWN, -math.inf
        for frame in beliefs.frames:
            if frame.time_s - since_s >= config.dwell_s:
                highest, after = max(frame.scores), current
                if highest >= config.enter:
                    after = beliefs.labels[frame.scores.index(highest)]
                elif current != UNKNOWN and frame.scores[beliefs.labels.index(current)] < config.leave:
                    after = UNKNOWN
                if after != current:
                    current, since_s = after, frame.time_s
            labels.append(current)
        return labels

    return label


def believed(whole: Recording, config: SmootherConfig) -> Recording:
    """Return the recording with the filter's beliefs in place of the scores."""
    smoother = make_smoother(config, whole.labels)
    frames = [
        dataclasses.replace(each, scores=smoother.update(1, each.scores, each.time_s, each.face_px).scores)
        for each in whole.frames
    ]
    return dataclasses.replace(whole, frames=tuple(frames))


def changed(config: SmootherConfig, **settings: float) -> SmootherConfig:
    """Return the config with other numbers."""
    return dataclasses.replace(config, **settings)  # type: ignore[arg-type]


def evaluated(settings: dict[str, SmootherConfig], views: Views, count: int) -> dict[str, dict[str, Metrics]]:
    """Return metrics of each filter: all clips, each kind, lower rates, other lengths."""
    recordings = clips(views, count, 2)
    every = [each for some in recordings.values() for each in some]
    sets = {"all clips": every} | recordings
    for rate, step in RATES.items():
        sets[f"all, {rate} classifications a second"] = [thinned(each, step) for each in every]
    for seconds in OTHER_SEGMENTS_S:
        others = clips(views, max(1, count // 4), 3, seconds).values()
        sets[f"all, expressions of {seconds:g} seconds"] = [each for some in others for each in some]
    return {name: table(settings, some) for name, some in progress(list(sets.items()), "evaluation")}


def table(settings: dict[str, SmootherConfig], recordings: list[Recording]) -> dict[str, Metrics]:
    """Return metrics for the network without a smoother, and for each setting."""
    smoothed = {name: smoothed_labels(config) for name, config in settings.items()}
    return {name: evaluate(recordings, labeller) for name, labeller in {"network": raw_labels, **smoothed}.items()}


def first_labels(settings: dict[str, SmootherConfig], views: Views) -> dict[str, dict[str, float]]:
    """Return how soon each filter names a clear face that has just appeared."""
    clear = np.flatnonzero(views.scores.mean(1).max(-1) >= CLEAR)
    found: dict[str, dict[str, float]] = {"faces": {"n": len(clear)}}
    for name, config in settings.items():
        times = np.array([first_label_s(config, views.scores[face]) for face in clear])
        shares = {"p50_s": np.percentile(times, 50), "p95_s": np.percentile(times, 95), "half": (times <= 0.5).mean()}
        found[name] = {key: round(float(value), 3) for key, value in shares.items()}
    return found


def first_label_s(config: SmootherConfig, scores: np.ndarray[Any, Any]) -> float:
    """Return the seconds until the first label of a face; infinite if it has none."""
    smoother = make_smoother(config, LABELS)
    for n, row in enumerate(scores):
        if smoother.update(1, row, n / VIEWS_PER_S, 100.0).emotion != UNKNOWN:
            return n / VIEWS_PER_S
    return math.inf


def microseconds(settings: dict[str, SmootherConfig], views: Views) -> dict[str, float]:
    """Return the median time of an update of each filter."""
    found = {}
    for name, config in settings.items():
        smoother, times = make_smoother(config, LABELS), []
        for n, row in enumerate(itertools.islice(itertools.cycle(views.scores[0]), 2000)):
            began = time.perf_counter()
            smoother.update(1, row, n / VIEWS_PER_S, 100.0)
            times.append(time.perf_counter() - began)
        found[name] = round(1e6 * float(np.median(times)), 1)
    return found


def as_json(settings: dict[str, SmootherConfig], tables: dict[str, dict[str, Metrics]], others: dict[str, Any]) -> str:
    """Return JSON: settings {filter: its own}, tables {kind of clip: {filter: metrics}}, ..."""
    plain = {kind: {name: dataclasses.asdict(each) for name, each in rows.items()} for kind, rows in tables.items()}
    chosen = {name: dataclasses.asdict(config) for name, config in settings.items()}
    return json.dumps({"settings": chosen, "tables": plain} | others, indent=2)


def as_text(settings: dict[str, SmootherConfig], tables: dict[str, dict[str, Metrics]], others: dict[str, Any]) -> str:
    """Return the settings, a table for each kind of clip, and the other figures."""
    lines = [f"{name}: {config}" for name, config in settings.items()]
    for kind, rows in tables.items():
        first = next(iter(rows.values()))
        score = ", ".join(f"{name} {objective(each):.3f}" for name, each in rows.items())
        lines.append(f"\n{kind}: {first.minutes:.1f} minutes, {first.changes} changes; objective: {score}")
        lines.append(format_table(rows))
    return "\n".join([*lines, "", *(f"{name}: {figures}" for name, figures in others.items())])


if __name__ == "__main__":
    sys.exit(main())
