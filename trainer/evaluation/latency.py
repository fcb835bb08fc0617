"""What a .tflite costs on this machine's CPU, and which of its operators XNNPACK leaves to the slow kernels."""

from __future__ import annotations

import platform
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from device.inference.litert import load_interpreter

WARM_UP = 5  # faces before the first that counts
FACES, ROUND = 1000, 20  # that are timed, and how many in a row make a median
BUDGET_S = 3.0  # after which a slow network has been timed enough; one round at least


def measure(path: Path) -> dict[str, Any]:
    """Milliseconds of CPU a face, on one thread through LiteRT, and what stands in the way of more speed.

    Args:
        path: a .tflite, int8 or float, card or none.

    Returns:
        median_ms (of the quietest round: what runs beside us takes its share of caches and memory, and so of the time
        that we need), n, machine, pieces (that XNNPACK takes), outside {operator: count} (that it leaves).

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
    """The names of the graph's operators that no delegate has taken over.

    Args:
        operators: as LiteRT's interpreter lists them: those a delegate replaced stand there still, beside it. What a
            piece replaced lies on the ways from its outputs back to its inputs.
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
    """Seconds of the one thread's CPU time for each face, the first ones left out; whole rounds."""
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
    """The processor, as Linux calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
