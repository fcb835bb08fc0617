"""FER+: votes from fer2013new.csv, which lists the faces of fer2013.csv in the same order.

They can also be the labels: seven emotions and contempt.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.csv_file import rows, usage_split
from trainer.data.dataset import LABELS, VOTES, Dataset, FaceSet
from trainer.errors import DataError

FILE = "fer2013new.csv"
COLUMNS = (*VOTES[:-1], "NF")
VOTE_NAMES = dict(
    zip(LABELS, ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"), strict=True),
    contempt="contempt",
)  # label -> its name in `VOTES`
NAMES = tuple(VOTE_NAMES)  # the eight labels


def with_votes(path: Path, splits: dict[str, FaceSet]) -> dict[str, FaceSet]:
    """The splits with the votes of fer2013new.csv, if it lies beside the csv `path`.

    Votes of another number of faces are left out, with a note to stderr; splits that the data lack
    do not matter.

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
    if any(len(votes.get(s, ())) != len(f) for s, f in splits.items()):
        print(f"trainer: {FILE} is left out: its faces are not those of {path.name}.", file=sys.stderr)
        return splits
    return {s: FaceSet(f.images, f.labels, np.array(votes[s], np.uint8)) for s, f in splits.items()}


def labels_kind(names: Sequence[str]) -> str:
    """The value of `trainer.labels` whose data have these labels, in any order."""
    return "fer_plus" if set(names) == set(NAMES) else "fer2013"


def relabelled(dataset: Dataset) -> Dataset:
    """The faces with FER+'s eight labels in place of their own.

    A face has the label of more than half of its votes, where a label with a single vote does not
    count. Faces without such a label are left out, and those that are none or unknown (majority
    voting of Barsoum et al. 2016, arXiv:1608.01041).

    Raises:
        DataError: the data have no votes.
    """
    splits = {}
    for split, faces in dataset.splits.items():
        if faces.votes is None:
            raise DataError(
                f"{dataset.source}: trainer.labels is fer_plus, but its {split} faces have no votes; put {FILE} "
                "of FER+ beside fer2013.csv."
            )
        labels = majority(faces.votes)
        kept = faces.take(labels >= 0)
        splits[split] = FaceSet(kept.images, labels[labels >= 0], kept.votes, NAMES)
    return Dataset(splits, dataset.source)


def majority(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The label of each face by its votes (N, 10): int64 (N,), index into `NAMES`, or -1."""
    counts = np.where(votes > 1, votes, 0).astype(np.int64)
    winner = counts.argmax(1)
    clear = 2 * counts.max(1) > counts.sum(1)
    index = np.full(len(VOTES), -1)
    index[[VOTES.index(name) for name in VOTE_NAMES.values()]] = range(len(NAMES))
    return np.where(clear, index[winner], -1)
