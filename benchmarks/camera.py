"""Cost of the camera's own process, compared with a thread, at 640x480 and 1080p.

    python benchmarks/camera.py [--frames 500] [--json]

Both play the same picture at 60 frames a second. Delay: from when a frame is due to when the agent
has it. CPU: the agent's processor time per frame. Memory: the peak of the camera's process,
including OpenCV.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from device.camera.camera import open_camera
from device.camera.frame import RawFrame
from device.camera.sources.registry import open_source
from device.config.schema import CameraConfig

SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080)}
FPS = 60.0
WARM = 20  # frames that are not counted

Take = Callable[[], Any]


def main() -> int:
    """Measure each size with a thread and with a process, each in its own interpreter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500, help="frames each (default: 500)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", nargs=2, metavar=("SIZE", "HOW"), help=argparse.SUPPRESS)  # the measuring child
    args = parser.parse_args()
    if args.only:
        size, how = args.only
        print(json.dumps(measure(size, how, args.frames)))
        return 0
    results = {}
    for size in SIZES:
        for how in ("thread", "process"):
            command = [sys.executable, __file__, "--frames", str(args.frames), "--only", size, how]
            results[f"{size} {how}"] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    print(json.dumps(results, indent=2) if args.json else as_text(results))
    return 0


def measure(size: str, how: str, frames: int) -> dict[str, Any]:
    """Play a picture of noise and take each frame as soon as it is available."""
    with tempfile.TemporaryDirectory() as folder:
        config = CameraConfig(source=picture(size, Path(folder)), fps=FPS, picture_s=60.0, loop=True)
        return by_thread(config, frames) if how == "thread" else by_process(config, frames)


def by_thread(config: CameraConfig, frames: int) -> dict[str, Any]:
    """The lower bound of the cost: a thread that passes references."""
    newest: queue.SimpleQueue[RawFrame] = queue.SimpleQueue()

    def capture() -> None:
        for frame in open_source(config, time.sleep):
            newest.put(frame)

    threading.Thread(target=capture, daemon=True).start()
    return figures(newest.get, frames)


def by_process(config: CameraConfig, frames: int) -> dict[str, Any]:
    """The same with the camera process of the device."""
    with open_camera(config) as camera:
        found = figures(lambda: next(camera), frames)
        (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child}/status").read_text())
    # This includes the start of Python and OpenCV, so it is lower with more frames.
    whole_ms = cpu_s(resource.RUSAGE_CHILDREN) * 1000 / (frames + WARM)
    return found | {"camera_cpu_ms": round(whole_ms, 3), "camera_peak_mb": int(peak[1]) / 1000 if peak else None}


def figures(take: Take, frames: int) -> dict[str, Any]:
    """Delay and CPU time per frame over `frames` frames."""
    for _ in range(WARM):
        take()
    began_s = cpu_s(resource.RUSAGE_SELF)
    delays_ms = [(-take().timestamp + time.time()) * 1000 for _ in range(frames)]
    spent_s = cpu_s(resource.RUSAGE_SELF) - began_s
    p50, p95 = np.percentile(delays_ms, (50, 95))
    return {
        "delay_p50_ms": round(float(p50), 3),
        "delay_p95_ms": round(float(p95), 3),
        "agent_cpu_ms": round(spent_s * 1000 / frames, 3),
        "n": frames,
    }


def cpu_s(who: int) -> float:
    """Seconds of processor time, user and system."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def picture(size: str, folder: Path) -> str:
    """A file with noise of that size."""
    import cv2

    width, height = SIZES[size]
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "noise.bmp"), noise)
    return str(folder / "noise.bmp")


def as_text(results: dict[str, dict[str, Any]]) -> str:
    """One line each, then the process compared with the thread."""
    lines = [f"{'':18}{'delay p50':>11}{'p95':>9}{'agent CPU':>11}   ms a frame"]
    for name, r in results.items():
        times = f"{r['delay_p50_ms']:11.2f}{r['delay_p95_ms']:9.2f}{r['agent_cpu_ms']:11.3f}"
        lines.append(f"{name:18}{times}   n = {r['n']}")
    for size in SIZES:
        thread, process = results[f"{size} thread"], results[f"{size} process"]
        lines.append(
            f"{size}: {process['delay_p50_ms'] - thread['delay_p50_ms']:.2f} ms later than from a thread, "
            f"{process['agent_cpu_ms'] / thread['agent_cpu_ms']:.1f} times the agent's CPU; the camera's process at "
            f"most {process['camera_peak_mb']:.0f} MB, {process['camera_cpu_ms']:.2f} ms CPU a frame with its start"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
