"""Latency of a .tflite on this machine's CPU, and its operators that XNNPACK does not run."""

from __future__ import annotations

import platform
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from device.inference.litert import load_interpreter

WARM_UP = 5  # faces before the first that is timed
FACES, ROUND = 1000, 20  # faces timed at most, and faces of a median
BUDGET_S = 3.0  # after this time a slow network is not timed further; at least one round is


def measure(path: Path) -> dict[str, Any]:
    """CPU milliseconds a face, on one thread through LiteRT, and the operators outside XNNPACK.

    Args:
        path: a .tflite, int8 or float, with or without card.

    Returns:
        median_ms (of the fastest round, as other processes slow down caches and memory), n,
        machine, pieces (graph parts that XNNPACK runs), outside {operator: count} (the others).

    Raises:
        ModelError: LiteRT cannot load the file.
    """
    interpreter = load_interpreter(path, threads=1)
    times = _times(interpreter)
    operators = interpreter._get_ops_details()
    return {
        "median_ms": 1e3 * min(statistics.median(part) for part in zip(*[iter(times)] * ROUND, strict=True)),
        "n": len(times),
        "machine": f"{platform.machine()}, {cpu_name()}, 1 thread",
        "pieces": sum(op["op_name"] == "DELEGATE" for op in operators),
        "outside": dict(Counter(outside(operators)).most_common()),
    }


def outside(operators: list[dict[str, Any]]) -> list[str]:
    """The names of the graph's operators that no delegate runs.

    Args:
        operators: as LiteRT's interpreter lists them: delegates, and beside them the operators they
            replace. Those are on the paths from a delegate's outputs back to its inputs.
    """
    graph = [op for op in operators if op["op_name"] != "DELEGATE"]
    maker = {int(out): place for place, op in enumerate(graph) for out in op["outputs"]}
    taken: set[int] = set()
    for piece in (op for op in operators if op["op_name"] == "DELEGATE"):
        known, waiting = set(map(int, piece["inputs"])), [int(out) for out in piece["outputs"]]
        while waiting:
            tensor = waiting.pop()
            if tensor in maker and tensor not in known:
                known.add(tensor)
                taken.add(maker[tensor])
                waiting += map(int, graph[maker[tensor]]["inputs"])
    return [op["op_name"] for place, op in enumerate(graph) if place not in taken]


def _times(interpreter: Any) -> list[float]:
    """CPU seconds of the thread for each face after the warm-up, in whole rounds."""
    entrance = interpreter.get_input_details()[0]
    pixels = np.random.default_rng(0).integers(0, 256, tuple(entrance["shape"]))
    is_int8 = entrance["dtype"] == np.int8
    interpreter.set_tensor(entrance["index"], (pixels - 128).astype(np.int8) if is_int8 else np.float32(pixels / 255))
    times: list[float] = []
    for _ in range(WARM_UP):
        interpreter.invoke()
    while len(times) % ROUND or not times or (len(times) < FACES and sum(times) < BUDGET_S):
        began = time.thread_time()
        interpreter.invoke()
        times.append(time.thread_time() - began)
    return times


def cpu_name() -> str:
    """The processor's name in Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
