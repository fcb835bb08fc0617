"""Attention on pictures whose truth is known: turned heads, closed eyes, far and dark faces, cost.

    python -m benchmarks.attention [--photos ../shared/data/field] [--frames 200] [--json]

Heads: the bundled portrait, turned by its own mesh. Eyes, with --photos: every
face of that set from 100 px whose eyes are open, as it is and with its lids drawn down. Cost:
the chain with attention beside the chain without it, frame by frame in the same process, so their
ratio is valid on a busy machine too; the milliseconds are not. No file is written.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import turned_portrait
from benchmarks.chain import draw
from benchmarks.turned_portrait import Image
from device.attention.eyes import SHUT, USUAL
from device.camera.frame import Frame
from device.config.schema import AttentionConfig, DetectorConfig, DeviceConfig, PipelineConfig
from device.inference.box import Box
from device.vision import head_geometry
from device.vision.detection import Detector
from device.vision.detector import open_detector
from device.vision.eye_state import EyeState
from device.vision.head_geometry import Points
from device.vision.landmarks import LandmarkNetwork, Landmarks
from device.vision.pipeline import from_config
from scripts.training.closed_eyes import close_eyes

YAWS, PITCHES, ROLLS = (-40, -30, -20, -10, 0, 10, 20, 30, 40), (-30, -20, -10, 10, 20, 30), (-20, 20)
SIZES = (32, 48, 64, 96)  # side of a face's box, pixels
LIGHTS = (1.0, 0.3, 0.1, 0.05, 0.02)  # of the picture's own light
NOISE = 3.0  # of a camera, grey levels
MIN_FACE_PX = 100
FPS, WARM_UP = 15.0, 10
# Faces of the photos whose eyes are not open, or not seen: photo, and number of its row there.
NOT_OPEN = Path(__file__).with_name("attention_eyes.csv")


def main() -> int:
    """Measure what there is data for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, metavar="D", help="folder with truth.csv and photos/")
    parser.add_argument("--frames", type=int, default=200, help="frames of the chain (default: 200)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    network, detector = LandmarkNetwork(), open_detector(DetectorConfig())
    results: dict[str, Any] = {"heads": heads(network, detector), "cost": cost(args.frames)}
    if args.photos:
        results["eyes"] = eyes(args.photos, network, detector)
    print(json.dumps(results, indent=2) if args.json else as_text(results))
    return 0


def heads(network: LandmarkNetwork, detector: Detector) -> list[dict[str, Any]]:
    """The portrait turned: true and measured angles."""
    image, points = turned_portrait.load(network)
    turns = [(yaw, 0, 0) for yaw in YAWS] + [(0, pitch, 0) for pitch in PITCHES] + [(0, 0, roll) for roll in ROLLS]
    rows = []
    for turn in turns:
        drawn, _ = turned_portrait.turned(image, points, turned_portrait.rotation(*turn))
        seen = look(network, detector, drawn)
        pose = head_geometry.head_pose(seen.points) if seen is not None else None
        rows.append({"true": turn, "measured": pose, "presence": seen.presence if seen else 0.0})
    return rows


def look(network: LandmarkNetwork, detector: Detector, image: Image) -> Landmarks | None:
    """What the face check knows of the largest face after three looks."""
    found = detector.detect(image)
    if not found:
        return None
    box, roll_deg = max(found, key=lambda each: each.box.mean_side).box, 0.0
    for _ in range(3):
        seen = network.look(image, box, roll_deg)
        roll_deg = head_geometry.roll_deg(seen.points)
    return seen


def eyes(folder: Path, network: LandmarkNetwork, detector: Detector) -> dict[str, Any]:
    """Open and closed eyes told apart: by size, by light, and by the mesh's eye aspect ratio."""
    faces, state = open_faces(folder, network, detector), EyeState()
    rows: dict[str, Any] = {"n": len(faces), "mesh": _mesh_ratio(faces, network)}
    for closed in (0.0, 0.5, 0.8, 1.0):
        values = [openness(state, drawn(face, closed)) for face in faces]
        rows[f"closed {closed:g}"] = {
            "percentiles 5 25 50 75 95": np.percentile(values, [5, 25, 50, 75, 95]).round(2).tolist(),
            "called closed": float(np.mean([value <= SHUT * USUAL for value in values])),
        }
    for side in SIZES:
        rows[f"{side} px"] = told_apart(state, [scaled(face, side) for face in faces])
    for light in LIGHTS:
        rows[f"light {light:g}"] = told_apart(state, [darker(face, light, n) for n, face in enumerate(faces)])
    return rows


Face = tuple[Image, Points, Box]


def open_faces(folder: Path, network: LandmarkNetwork, detector: Detector) -> list[Face]:
    """Faces from 100 px of a truth file, with open eyes, and their points."""
    with NOT_OPEN.open(encoding="utf-8") as stream:
        left_out = {(row["image"], int(row["face"])) for row in csv.DictReader(stream)}
    with (folder / "truth.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found, number = [], {row["image"]: 0 for row in rows}
    for row in rows:
        number[row["image"]] += 1
        if row["kind"] != "face" or (row["image"], number[row["image"]]) in left_out:
            continue
        image = np.asarray(cv2.imread(str(folder / "photos" / row["image"])), np.uint8)
        truth = Box(*(float(row[name]) for name in ("x", "y", "width", "height")))
        boxes = [each.box for each in detector.detect(image) if _centred(each.box, truth)]
        if not boxes or boxes[0].mean_side < MIN_FACE_PX:
            continue
        roll_deg = 0.0
        for _ in range(4):
            seen = network.look(image, boxes[0], roll_deg)
            roll_deg = head_geometry.roll_deg(seen.points)
        found.append(_cut_out(image, seen.points, boxes[0]))
    return found


def _cut_out(image: Image, points: Points, box: Box) -> Face:
    """The face and as much again around it, grey."""
    left, top = max(0, int(box.x - box.width / 2)), max(0, int(box.y - box.height / 2))
    part = image[top : int(box.y + 1.5 * box.height), left : int(box.x + 1.5 * box.width)]
    grey = np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.uint8)
    return grey, points - [left, top, 0], box._replace(x=box.x - left, y=box.y - top)


def told_apart(state: EyeState, faces: list[Face]) -> dict[str, float]:
    """Share of faces that are right, open and with their lids drawn down."""
    limit = SHUT * USUAL
    opened = float(np.mean([openness(state, face) > limit for face in faces]))
    closed = float(np.mean([openness(state, drawn(face, 1.0)) <= limit for face in faces]))
    return {"open right": opened, "closed right": closed, "right": (opened + closed) / 2}


def drawn(face: Face, closed: float) -> Face:
    """The face with its lids lowered."""
    return (close_eyes(face[0], face[1], closed), *face[1:]) if closed else face


def openness(state: EyeState, face: Face) -> float:
    """Mean of both eyes, as the picture shows them."""
    return float(state.openness(face[0], face[1]).mean())


def scaled(face: Face, side: int) -> Face:
    """The picture made smaller, so that the box of the face has this side."""
    image, points, box = face
    share = side / box.mean_side
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), points * share, Box(*(share * value for value in box))


def darker(face: Face, light: float, seed: int) -> Face:
    """The picture with less light, and the noise of a camera."""
    noise = np.random.default_rng(seed).normal(0, NOISE, face[0].shape)
    return np.clip(face[0] * light + noise, 0, 255).astype(np.uint8), *face[1:]


def cost(frames: int) -> dict[str, Any]:
    """Processor time of a frame with attention over that without, one face and eight, no budget."""
    rows = {}
    for name, faces in (("one face", 1), ("eight faces", 8)):
        unlimited = DeviceConfig(pipeline=PipelineConfig(budget_ms=None))
        attentive = dataclasses.replace(unlimited, attention=AttentionConfig(enabled=True))
        pipelines = {"off": from_config(unlimited), "on": from_config(attentive)}
        clip = [draw(faces, shift) for shift in (0, 2, 4, 6, 4, 2)]
        took_s = dict.fromkeys(pipelines, 0.0)
        for index, image in enumerate(islice(cycle(clip), frames + WARM_UP)):
            for which, pipeline in pipelines.items():
                began_s = time.thread_time()
                pipeline.process(Frame(image, index, index / FPS, index / FPS, 0))
                took_s[which] += time.thread_time() - began_s if index >= WARM_UP else 0.0
        mean_ms = {which: 1000 * each / frames for which, each in took_s.items()}
        rows[name] = {"n": frames, "ratio": took_s["on"] / took_s["off"], "mean_ms": mean_ms}
    return rows


def _mesh_ratio(faces: list[Face], network: LandmarkNetwork) -> float:
    """Eye aspect ratio of the mesh with closed eyes over that with open ones, median."""
    ratios = []
    for face in faces:
        roll_deg = head_geometry.roll_deg(face[1])
        shut = network.look(drawn(face, 1.0)[0], face[2], roll_deg).points
        ratios.append(head_geometry.eye_openness(shut) / head_geometry.eye_openness(face[1]))
    return float(np.median(ratios))


def _centred(box: Box, truth: Box) -> bool:
    x, y = box.x + box.width / 2, box.y + box.height / 2
    return truth.x <= x <= truth.x + truth.width and truth.y <= y <= truth.y + truth.height


def as_text(results: dict[str, Any]) -> str:
    """All measurements as tables."""
    lines = ["true yaw, pitch, roll -> measured, presence"]
    for row in results["heads"]:
        pose = "no face" if row["measured"] is None else " ".join(f"{angle:6.1f}" for angle in row["measured"])
        lines.append(f"{row['true']!s:>16} -> {pose}  {row['presence']:.2f}")
    for name, row in results["cost"].items():
        times = ", ".join(f"{on} {ms:.2f} ms" for on, ms in row["mean_ms"].items())
        lines.append(f"{name}: with attention {row['ratio']:.3f} times as long ({times}), n = {row['n']} frames each")
    for name, row in results.get("eyes", {}).items():
        lines.append(f"{name}: {row}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
