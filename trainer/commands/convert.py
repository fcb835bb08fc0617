"""`trainer convert`: a student to an int8 .tflite with its card, if it passes all gates."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.artifacts.run_dir import newest_student, open_run, write_bytes
from trainer.config import TrainConfig
from trainer.data.fer2013 import load_dataset
from trainer.data.ferplus import labels_kind

if TYPE_CHECKING:
    from trainer.export.convert import Converted

EPILOG = """examples:
  trainer convert                                 the newest student; writes emotion.tflite into its run folder
  trainer convert --run runs/student-1 --out device/models/emotion.tflite
  trainer convert --allow-failed-gates            write it although it fails, for an experiment
  trainer convert --float                         the same network in float32, for comparison"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer convert`."""
    parser.epilog = EPILOG
    source = parser.add_mutually_exclusive_group()
    source.add_argument("checkpoint", nargs="?", type=Path, metavar="CHECKPOINT", help="a best.pt or last.pt")
    source.add_argument("--run", type=Path, metavar="DIR", help="run folder to convert (default: the newest student's)")
    parser.add_argument("--out", type=Path, metavar="F", help="file to write (default: emotion.tflite there)")
    parser.add_argument("--float", action="store_true", dest="as_float", help="write float32 instead of int8")
    parser.add_argument(
        "--allow-failed-gates", action="store_true",
        help="write the model although it fails a gate; its card says so, and a device refuses it unless "
        "device.model.allow_failed_gates is true",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print path, gates and card as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Convert, write the file, and print its path."""
    from trainer.artifacts.checkpoint import load_checkpoint
    from trainer.export.convert import convert

    path = args.checkpoint or (
        open_run(args.run).best if args.run else newest_student(Path(config.runs), "a checkpoint").best
    )
    checkpoint = load_checkpoint(path)
    dataset = load_dataset(config.data or checkpoint.config.data, labels_kind(checkpoint.labels))
    converted = convert(checkpoint, dataset, config, args.as_float, args.allow_failed_gates)
    out = args.out or path.with_name("emotion-float.tflite" if args.as_float else "emotion.tflite")
    write_bytes(out, converted.model)
    if converted.card.failed_gates:
        failed = ", ".join(converted.card.failed_gates)
        print(f"trainer: {out} is for experiments only: its card says that it fails {failed}.", file=sys.stderr)
    print(_as_json(out, converted) if args.json else out)
    return 0


def _as_json(path: Path, converted: Converted) -> str:
    found = [dataclasses.asdict(gate) for gate in converted.gates]
    return json.dumps({"path": str(path), "gates": found, "card": dataclasses.asdict(converted.card)}, indent=2)
