"""`trainer data`: what a data set holds, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from trainer.config import TrainConfig
from trainer.dataset import LABELS, VOTES, Dataset, FaceSet, duplicate_mask, load_dataset

BLANK = 2.0  # grey levels of standard deviation below which a picture shows nothing
SHEET_COLUMNS = 12  # faces of each emotion on the contact sheet
EPILOG = """examples:
  trainer data --data fer2013.csv
  trainer data --data fer2013/ --sheet faces.png        a look at the faces; keep it to yourself, they are people's
  trainer data --data toy --corrupted spoilt.png        what `trainer evaluate --corruptions` does to a face"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer data`."""
    parser.epilog = EPILOG
    parser.add_argument("--sheet", type=Path, metavar="F", help="write a contact sheet, PNG")
    parser.add_argument("--corrupted", type=Path, metavar="F", help="write one face spoilt in 15 ways, PNG")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Describe the data set, and draw what is asked for."""
    dataset = load_dataset(config.data)
    findings = describe(dataset)
    if args.sheet or args.corrupted:
        draw(args, dataset["training"], config)
    if args.json:
        print(json.dumps(findings, indent=2))
    else:
        _print(findings, Console())
    return 0


def draw(args: argparse.Namespace, faces: FaceSet, config: TrainConfig) -> None:
    """Draw the contact sheet, or the first happy face spoilt in every way."""
    from trainer import pictures

    if args.sheet:
        pictures.save_picture(args.sheet, pictures.contact_sheet(faces, SHEET_COLUMNS))
    if args.corrupted:
        face = faces.images[np.flatnonzero(faces.labels == LABELS.index("happy"))[0]]
        pictures.save_picture(args.corrupted, pictures.corrupted_sheet(face, config.evaluate.corruption_seed))


def describe(dataset: Dataset) -> dict[str, Any]:
    """Counts and faults of a data set.

    Returns:
        source, digest, splits {name: {n, classes {label: count}, duplicates (faces that stand again in the same
        split), blanks, votes (faces with FER+ votes), not_a_face (most votes say so)}}, shared {"a in b": faces of
        split a whose exact pixels stand in b}, conflicts {groups, faces}: identical pictures with different labels.
    """
    names = list(dataset.splits)
    pairs = [(a, b) for i, b in enumerate(names) for a in names[i + 1 :]]
    return {
        "source": dataset.source,
        "digest": dataset.digest,
        "splits": {name: _split(faces) for name, faces in dataset.splits.items()},
        "shared": {f"{a} in {b}": int(duplicate_mask(dataset[a], dataset[b]).sum()) for a, b in pairs},
        "conflicts": conflicts(dataset),
    }


def _split(faces: FaceSet) -> dict[str, Any]:
    counts = np.bincount(faces.labels, minlength=len(LABELS))
    found: dict[str, Any] = {
        "n": len(faces),
        "classes": {label: int(count) for label, count in zip(LABELS, counts, strict=True)},
        "duplicates": len(faces) - len({image.tobytes() for image in faces.images}),
        "blanks": int(blanks(faces.images).sum()),
        "votes": 0,
        "not_a_face": 0,
    }
    if faces.votes is not None:
        voted = faces.votes.sum(1) > 0
        nothing = faces.votes.argmax(1) == VOTES.index("not_a_face")
        found |= {"votes": int(voted.sum()), "not_a_face": int((voted & nothing).sum())}
    return found


def blanks(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pictures (N, S, S) show nothing: bool (N,)."""
    return np.asarray(images.reshape(len(images), -1).std(1) < BLANK)


def conflicts(dataset: Dataset) -> dict[str, int]:
    """Groups of identical pictures that carry more than one label, and the faces in them; over all splits."""
    labels = defaultdict(list)
    for faces in dataset.splits.values():
        for image, label in zip(faces.images, faces.labels, strict=True):
            labels[image.tobytes()].append(int(label))
    groups = [group for group in labels.values() if len(set(group)) > 1]
    return {"groups": len(groups), "faces": sum(map(len, groups))}


def _print(findings: dict[str, Any], console: Console) -> None:
    table = Table("", title=findings["source"])
    for name in findings["splits"]:
        table.add_column(name, justify="right")
    splits = list(findings["splits"].values())
    for label in LABELS:
        table.add_row(label, *(f"{s['classes'][label]:,}" for s in splits))
    table.add_section()
    rows = {"n": "faces", "duplicates": "stand again in the same split", "blanks": "blank"}
    rows |= {"votes": "with FER+ votes", "not_a_face": "not a face, by those votes"}
    for key, text in rows.items():
        table.add_row(text, *(f"{s[key]:,}" for s in splits))
    console.print(table)
    for pair, count in findings["shared"].items():
        console.print(f"{count:,} faces of {pair.replace(' in ', ' stand, pixel for pixel, in ')}", highlight=False)
    bad = findings["conflicts"]
    console.print(f"{bad['groups']:,} groups of identical pictures carry different labels ({bad['faces']:,} faces)")
    console.print(f"digest {findings['digest']}", highlight=False)
