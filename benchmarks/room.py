"""A room at 1080p: faces found by each view, and time per frame for thirty faces.

    python -m benchmarks.room [--frames 300] [--data ../shared/data/fer2013] [--json]

The crowd is the bundled portrait, thirty times, moving; it is measured with and without a time
budget. Both use the same frames in the same process, so their ratio is valid on a busy machine too;
the milliseconds are not. The recall by size, measured only with --data, uses FER2013's PublicTest
faces in place of the portrait's face. No file is written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import DetectorConfig, DeviceConfig, PipelineConfig
from device.demo.clip import PORTRAIT
from device.inference.box import Box
from device.vision.detection import Detection, Detector
from device.vision.detector import open_detector
from device.vision.optical_flow import FlowTracker
from device.vision.pipeline import from_config

WIDTH, HEIGHT, FPS = 1920, 1080, 15.0
FACE = Box(168, 60, 115, 115)  # in the portrait, framed as FER2013 frames a face
BODY = Box(110, 10, 231, 250)  # around it
SIZES = (24, 32, 48, 64, 96, 120, 160, 240)  # side of FER2013's crop in the picture, pixels
PEOPLE, COLUMNS = 30, 10
SETTINGS = {
    "yunet": DetectorConfig(),
    "blazeface near squares": DetectorConfig(kind="blazeface", min_face_px=12, max_faces=256),
    "blazeface room tiles": DetectorConfig(kind="blazeface", range="room", view="tiles", min_face_px=12, max_faces=256),
}
PORTRAIT_PX = WIDTH // COLUMNS - 24  # width of each
FOLLOWED = (15, 30)  # frames without detection
WARM_UP = 90  # frames, until all are confirmed and costs are known

Grey = NDArray[np.uint8]


def main() -> int:
    """Measure the crowd, and the recall if there are faces for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300, help="frames of the crowd (default: 300)")
    parser.add_argument("--data", metavar="D", help="FER2013 in any form that the trainer accepts")
    parser.add_argument("--pictures", type=int, default=13, help="frames a size, eight faces each (default: 13)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    results: dict[str, Any] = {"crowd": crowd(args.frames), "follow": follow()}
    if args.data:
        from trainer.data.fer2013 import load_dataset

        results["recall"] = recall(load_dataset(args.data)["public_test"].images, args.pictures)
    print(json.dumps(results, indent=2) if args.json else as_text(results))
    return 0


def crowd(frames: int) -> dict[str, Any]:
    """Thirty people, with the default budget and with none."""
    clip = [draw_crowd(n / FPS) for n in range(12)]
    clip += clip[-2:0:-1]  # there and back
    rows = {}
    for name, budget_ms, count in (("budget", PipelineConfig().budget_ms, frames), ("no budget", None, frames // 10)):
        pipeline_config = PipelineConfig(budget_ms=budget_ms)
        pipeline = from_config(DeviceConfig(pipeline=pipeline_config))
        seen = 0
        warm_up = WARM_UP if budget_ms is not None else 5
        for index, image in enumerate(islice(cycle(clip), warm_up + count)):
            if index == warm_up:
                pipeline.timings.reset()
            observation = pipeline.process(Frame(image, index, index / FPS, index / FPS, 0))
            seen += len(observation.faces) if index >= warm_up else 0
        reads = pipeline.face_reads()
        stages = {stage: each.p50_ms for stage, each in pipeline.timings.stages().items()}
        total = pipeline.timings.stages()["total"]
        rows[name] = {
            "budget_ms": budget_ms,
            "n": count,
            "p50_ms": total.p50_ms,
            "p95_ms": total.p95_ms,
            "max_ms": total.max_ms,
            "faces_a_frame": seen / count,
            "reads_hz": reads.rate_hz if reads else None,
            "longest_wait_s": reads.longest_wait_s if reads else None,
            "stages_p50_ms": stages,
        }
    return rows


def follow() -> dict[str, Any]:
    """Tracking of the crowd without detection: overlap with the truth, milliseconds per frame."""
    scale = PORTRAIT_PX / BODY.width
    inner = Box((FACE.x - BODY.x) * scale, (FACE.y - BODY.y) * scale, FACE.width * scale, FACE.height * scale)

    def truth(time_s: float) -> list[Box]:
        return [inner._replace(x=x + inner.x, y=y + inner.y) for x, y in places(time_s)]

    follower, boxes, still = FlowTracker(), truth(0), truth(0)
    took: list[float] = []
    rows: dict[str, Any] = {"n": PEOPLE}
    for n in range(max(FOLLOWED) + 1):
        grey = cv2.cvtColor(draw_crowd(n / FPS), cv2.COLOR_BGR2GRAY)
        began_s = time.perf_counter()
        follower.add_frame(np.asarray(grey, np.uint8))
        moved = follower.follow(boxes) if n else list(boxes)
        took.append(1000 * (time.perf_counter() - began_s))
        boxes = [new or old for new, old in zip(moved, boxes, strict=True)]
        if n in FOLLOWED:
            ious = [[a.iou(b) for a, b in zip(each, truth(n / FPS), strict=True)] for each in (boxes, still)]
            rows[f"after_{n}"] = {
                "median_iou": float(np.median(ious[0])),
                "worst_iou": min(ious[0]),
                "still": min(ious[1]),
            }
    return rows | {"p50_ms": float(np.median(took[1:]))}


def recall(faces: Grey, pictures: int) -> dict[str, Any]:
    """Recall, false alarms per frame, milliseconds per frame: setting -> size -> figures."""
    detectors = {name: open_detector(config) for name, config in SETTINGS.items()}
    rows: dict[str, Any] = {name: {} for name in SETTINGS}
    for size in SIZES:
        scenes = [
            draw_faces([faces[(8 * n + k) * 13 % len(faces)] for k in range(8)], size, n) for n in range(pictures)
        ]
        for name, detector in detectors.items():
            rows[name][size] = score(detector, scenes)
    return rows


def score(detector: Detector, scenes: list[tuple[Grey, list[Box]]]) -> dict[str, float]:
    """One detector on scenes whose faces are known."""
    hits = alarms = faces = 0
    took = []
    for image, truth in scenes:
        began_s = time.perf_counter()
        found = detector.detect(image)
        took.append(1000 * (time.perf_counter() - began_s))
        matched = {id(each) for box in truth for each in found if _centred(each, box)}
        hits += sum(any(_centred(each, box) for each in found) for box in truth)
        alarms += len(found) - len(matched)
        faces += len(truth)
    looks = len(detector.tiles(WIDTH, HEIGHT))
    ms = float(np.median(took))
    return {"recall": hits / faces, "false_alarms": alarms / len(scenes), "ms": ms, "looks": looks, "n": faces}


def draw_crowd(time_s: float) -> NDArray[np.uint8]:
    """Thirty portraits in three rows, each swaying differently: (1080, 1920, 3) BGR."""
    person = _person(None)
    side = PORTRAIT_PX
    small = cv2.resize(person, (side, round(side * BODY.height / BODY.width)), interpolation=cv2.INTER_AREA)
    frame = _background(0)
    for x, y in places(time_s):
        frame[y : y + small.shape[0], x : x + side] = small
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR), np.uint8)


def places(time_s: float) -> list[tuple[int, int]]:
    """Top left corner of each portrait of the crowd: x, y in pixels."""
    found = []
    for n in range(PEOPLE):
        row, column = divmod(n, COLUMNS)
        sway = 10 * np.sin(time_s * (1 + n % 4) + n), 6 * np.sin(time_s * (1 + n % 3) + 2 * n)
        found.append((round(column * (WIDTH / COLUMNS) + 12 + sway[0]), round(row * (HEIGHT / 3) + 60 + sway[1])))
    return found


def draw_faces(faces: Sequence[Grey], size: int, seed: int) -> tuple[Grey, list[Box]]:
    """Eight people at random places in two rows of four, and the squares of their faces."""
    generator, frame, truth = np.random.default_rng((seed, size)), _background(seed), []
    scale = size / FACE.width
    for n, face in enumerate(faces):
        row, column = divmod(n, 4)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        person = cv2.resize(_person(face), None, fx=scale, fy=scale, interpolation=method)[: HEIGHT // 2, : WIDTH // 4]
        x = column * (WIDTH // 4) + int(generator.integers(0, WIDTH // 4 - person.shape[1] + 1))
        y = row * (HEIGHT // 2) + int(generator.integers(0, HEIGHT // 2 - person.shape[0] + 1))
        frame[y : y + person.shape[0], x : x + person.shape[1]] = person
        truth.append(Box(x + (FACE.x - BODY.x) * scale, y + (FACE.y - BODY.y) * scale, size, size))
    return frame, truth


def _person(face: Grey | None) -> Grey:
    """The portrait's head and shoulders, optionally with another face blended in."""
    grey = np.asarray(cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE), np.float32)
    if face is not None:
        side = int(FACE.width)
        y, x = np.mgrid[0:side, 0:side] / side - 0.5
        share = np.clip(6 * (1 - (x / 0.48) ** 2 - (y / 0.52) ** 2), 0, 1)
        place = (slice(int(FACE.y), int(FACE.y) + side), slice(int(FACE.x), int(FACE.x) + side))
        pasted = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        grey[place] = share * pasted + (1 - share) * grey[place]
    x, y, width, height = map(int, BODY)
    return grey[y : y + height, x : x + width].astype(np.uint8)


def _background(seed: int) -> Grey:
    """Soft clouds with a little noise: (1080, 1920)."""
    generator = np.random.default_rng(seed)
    clouds = cv2.resize(generator.integers(60, 200, (30, 52), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(clouds.astype(int) + generator.integers(-6, 7, clouds.shape), 0, 255).astype(np.uint8)


def _centred(found: Detection, truth: Box) -> bool:
    x, y = found.box.x + found.box.width / 2, found.box.y + found.box.height / 2
    return truth.x <= x <= truth.x + truth.width and truth.y <= y <= truth.y + truth.height


def as_text(results: dict[str, Any]) -> str:
    """Both measurements as tables."""
    lines = [f"{PEOPLE} people at {WIDTH}x{HEIGHT}, default settings"]
    for name, row in results["crowd"].items():
        times = "  ".join(f"{key} {row[f'{key}_ms']:7.1f} ms" for key in ("p50", "p95", "max"))
        lines.append(f"{name:<10} {times}  faces a frame {row['faces_a_frame']:4.1f}  n {row['n']}")
        lines.append(f"{'':<10} " + "  ".join(f"{stage} {ms:.1f} ms" for stage, ms in row["stages_p50_ms"].items()))
        if row["reads_hz"]:
            waits = f"at most {row['longest_wait_s']:.2f} s apart"
            lines.append(f"{'':<10} each face read {row['reads_hz']:.2f} times a second, {waits}")
    followed = results["follow"]
    lines.append(f"\nfollowed without a look: {followed['p50_ms']:.1f} ms a frame for {followed['n']} faces")
    for n in FOLLOWED:
        row = followed[f"after_{n}"]
        overlap = f"overlap {row['median_iou']:.2f} (median), {row['worst_iou']:.2f} (worst)"
        lines.append(f"  after {n} frames: {overlap}; standing still {row['still']:.2f} (worst)")
    for name, sizes in results.get("recall", {}).items():
        any_one = next(iter(sizes.values()))
        lines.append(f"\n{name}: {any_one['looks']} looks a frame, n = {any_one['n']} faces a size")
        for size, row in sizes.items():
            alarms = f"false alarms a frame {row['false_alarms']:.2f}"
            lines.append(f"  {size:>4} px  found {row['recall']:6.1%}  {alarms}  {row['ms']:.0f} ms")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
