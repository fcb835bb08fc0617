"""FER+ votes from fer2013new.csv, which lists the faces of fer2013.csv in the same order."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from trainer.data.csv_file import rows, usage_split
from trainer.data.dataset import VOTES, FaceSet
from trainer.errors import DataError

FILE = "fer2013new.csv"
COLUMNS = (*VOTES[:-1], "NF")


def with_votes(path: Path, splits: dict[str, FaceSet]) -> dict[str, FaceSet]:
    """The splits with the votes of fer2013new.csv, if it lies beside the csv `path`.

    Votes of another number of faces are left out, with a note to stderr.

    Raises:
        DataError: the file of votes is damaged.
    """
    file = path.with_name(FILE)
    if not file.is_file():
        return splits
    votes: dict[str, list[list[int]]] = {}
    for where, row in rows(file, {"Usage", *COLUMNS}):
        if not all(row[c].isdecimal() and int(row[c]) < 256 for c in COLUMNS):
            raise DataError(f"{where}: a number of votes is not a whole number from 0 to 255.")
        votes.setdefault(usage_split(row["Usage"], where), []).append([int(row[c]) for c in COLUMNS])
    if {s: len(v) for s, v in votes.items()} != {s: len(f) for s, f in splits.items()}:
        print(f"trainer: {FILE} is left out: its faces are not those of {path.name}.", file=sys.stderr)
        return splits
    return {s: FaceSet(f.images, f.labels, np.array(votes[s], np.uint8)) for s, f in splits.items()}
