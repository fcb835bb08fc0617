"""Speed of the whole chain at 640x480 with one face and with eight: stages, peak memory.

    python benchmarks/chain.py [--model F] [--frames 300] [--json]

Each scene runs in its own process, so its peak memory (VmHWM) is that of a device. The clip is a
few frames of the bundled portrait, shifted a little from frame to frame and repeated.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import DetectorConfig, DeviceConfig, ModelConfig
from device.demo.clip import PORTRAIT
from device.vision.pipeline import from_config

SCENES = {"one face": 1, "eight faces": 8}
WIDTH, HEIGHT, FPS = 640, 480, 15.0
MAX_RSS_MB = 150  # limit for a device process
HEAD = (slice(30, 190), slice(145, 305))  # the face in the portrait, rows and columns


def main() -> int:
    """Measure both scenes; exit 1 if one cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="F", help=".tflite with its card (default: the bundled one)")
    parser.add_argument("--frames", type=int, default=300, help="frames a scene (default: 300)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--scene", choices=SCENES, help=argparse.SUPPRESS)  # the measuring child
    args = parser.parse_args()
    if args.scene:
        print(json.dumps(measure(SCENES[args.scene], args.model, args.frames)))
        return 0
    results = {}
    for scene in SCENES:
        child = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--scene", scene], stdout=subprocess.PIPE, text=True
        )
        if child.returncode:
            return 1
        results[scene] = json.loads(child.stdout)
    print(json.dumps(results, indent=2) if args.json else as_text(results))
    return 0


def measure(faces: int, model: Path | None, frames: int) -> dict[str, Any]:
    """Run the chain at full speed."""
    config = DeviceConfig(model=ModelConfig(path=str(model) if model else None), detector=DetectorConfig())
    pipeline = from_config(config)
    clip = [draw(faces, shift) for shift in (0, 2, 4, 6, 4, 2)]
    seen = 0
    for index, image in enumerate(islice(cycle(clip), frames + 10)):
        if index == 10:  # tracks are confirmed and caches warm
            pipeline.timings.reset()
            began = time.perf_counter()
        observation = pipeline.process(Frame(image, index, index / FPS, index / FPS, 0))
        seen += len(observation.faces) if index >= 10 else 0
    seconds = time.perf_counter() - began
    stages = {name: stage.p50_ms for name, stage in pipeline.timings.stages().items()}
    total = stages.pop("total")
    return {
        "faces_seen_a_frame": round(seen / frames, 2),
        "frames_per_s": round(frames / seconds, 1),
        "p50_ms": {"total": round(total, 2)} | {name: round(value, 3) for name, value in stages.items()},
        "share": {name: round(value / total, 3) for name, value in stages.items()},
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "n": frames,
    }


def draw(faces: int, shift: int) -> NDArray[np.uint8]:
    """A frame (480, 640, 3) BGR with the face once or in two rows of four, `shift` pixels right."""
    import cv2

    head = np.asarray(cv2.imread(str(PORTRAIT)), np.uint8)[HEAD]
    rows, columns = (1, 1) if faces == 1 else (2, faces // 2)
    side = min(HEIGHT // rows, WIDTH // columns) - 8
    small = cv2.resize(head, (side, side), interpolation=cv2.INTER_CUBIC)
    frame = np.full((HEIGHT, WIDTH, 3), 180, np.uint8)
    for row, column in np.ndindex(rows, columns):
        y, x = row * (HEIGHT // rows), column * (WIDTH // columns) + shift
        frame[y : y + side, x : x + side] = small
    return frame


def peak_rss_mb() -> float:
    """Peak memory of this process, MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else float("nan")


def as_text(results: dict[str, Any]) -> str:
    """A few lines a scene."""
    lines = []
    for scene, r in results.items():
        lines.append(
            f"{scene}: {r['frames_per_s']:.1f} frames/s, {r['faces_seen_a_frame']} faces seen a frame, n = {r['n']}"
        )
        lines.append(f"  peak memory {r['peak_rss_mb']:.0f} MB, at most {MAX_RSS_MB} MB")
        lines += [f"  {name:9} {r['p50_ms'][name]:8.2f} ms  {100 * share:5.1f} %" for name, share in r["share"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
