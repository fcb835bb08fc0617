"""`trainer data`: the contents of a data set, and its faults."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from trainer.config import TrainConfig
from trainer.data.dataset import FaceSet
from trainer.data.fer2013 import load_dataset
from trainer.data.statistics import describe

SHEET_COLUMNS = 12  # faces of each emotion on the contact sheet
EPILOG = """examples:
  trainer data --data fer2013.csv
  trainer data --data fer2013/ --sheet faces.png        the faces; it shows people, do not publish it
  trainer data --data toy --corrupted corrupted.png     the corruptions of `trainer evaluate --corruptions`"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer data`."""
    parser.epilog = EPILOG
    parser.add_argument("--sheet", type=Path, metavar="F", help="write a contact sheet, PNG")
    parser.add_argument(
        "--corrupted", type=Path, metavar="F", help="write one face with each of the 15 corruptions, PNG"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Describe the data set, and draw the requested sheets."""
    dataset = load_dataset(config.data, config.labels)
    findings = describe(dataset)
    if args.sheet or args.corrupted:
        draw(args, dataset["training"], config)
    if args.json:
        print(json.dumps(findings, indent=2))
    else:
        _print(findings)
    return 0


def draw(args: argparse.Namespace, faces: FaceSet, config: TrainConfig) -> None:
    """Draw the contact sheet, and the first happy face with every corruption."""
    from trainer.reporting import plots

    if args.sheet:
        plots.save_picture(args.sheet, plots.contact_sheet(faces, SHEET_COLUMNS))
    if args.corrupted:
        face = faces.images[np.flatnonzero(faces.labels == faces.names.index("happy"))[0]]
        plots.save_picture(args.corrupted, plots.corrupted_sheet(face, config.evaluate.corruption_seed))


def _print(findings: dict[str, Any]) -> None:
    splits = findings["splits"]
    labels = next(iter(splits.values()))["classes"]
    lines = {label: [found["classes"][label] for found in splits.values()] for label in labels}
    rows = {"n": "faces", "duplicates": "duplicates in the same split", "blanks": "blank"}
    rows |= {"votes": "with FER+ votes", "not_a_face": "not a face, by those votes"}
    lines |= {text: [found[key] for found in splits.values()] for key, text in rows.items()}
    print(findings["source"])
    print(f"{'':<30}" + "".join(f"{name:>14}" for name in splits))
    for text, counts in lines.items():
        print(f"{text:<30}" + "".join(f"{count:>14,}" for count in counts))
    for pair, count in findings["shared"].items():
        print(f"{count:,} faces of {pair.replace(' in ', ' are identical to faces in ')}")
    bad = findings["conflicts"]
    print(f"{bad['groups']:,} groups of identical images have different labels ({bad['faces']:,} faces)")
    print(f"digest {findings['digest']}")
