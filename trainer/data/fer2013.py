"""FER2013 as csv, image folders or contact sheets; and toy faces.

In every form, a data set is three splits of grey 48x48 faces with one of seven labels, some with
FER+ votes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.errors import unreadable_as
from trainer.data.csv_file import MANUAL, emotion_code, read_csv, rows, usage_split
from trainer.data.dataset import LABELS, SIDE, SPLITS, VOTES, Dataset, FaceSet, shared_out
from trainer.data.ferplus import relabelled, with_votes
from trainer.data.folders import read_folders
from trainer.data.pictures import read_grey
from trainer.data.synthetic import toy_faces
from trainer.errors import DataError

SHEET_COLUMNS = 50
TOY_COUNTS = {"training": 1400, "public_test": 350, "private_test": 350}


def load_dataset(source: str | None, labels: str = "fer2013") -> Dataset:
    """Load a data set in any of its forms.

    Args:
        source: path of a csv, of a folder of contact sheets (with labels.csv) or of an image-folder
            tree; or "toy".
        labels: the setting `trainer.labels`.

    Raises:
        DataError: none is named, it is missing, truncated, or in none of these forms; or it lacks
            the votes that fer_plus needs.
    """
    dataset = _load(source)
    if labels == "fer_plus":
        dataset = relabelled(dataset)
    _check_classes(dataset)
    return dataset


def _load(source: str | None) -> Dataset:
    if source is None:
        raise DataError(
            "no data set is named; give --data with a fer2013.csv, an image-folder tree, contact sheets, or toy."
        )
    if source == "toy":
        return toy_dataset()
    with unreadable_as(DataError, source):
        splits = _splits(Path(source))
    return Dataset({name: splits[name] for name in SPLITS if name in splits}, source)


def _splits(path: Path) -> dict[str, FaceSet]:
    if path.is_file():
        return _with_public_test(path, with_votes(path, read_csv(path)))
    if (path / "labels.csv").is_file():
        return _read_sheets(path)
    if (path / "train").is_dir():
        return read_folders(path)
    if path.is_dir():
        raise DataError(f"{path}: neither labels.csv nor a folder train/ is in this folder; {MANUAL}.")
    raise DataError(f"{path}: there is no such file or folder; {MANUAL}.")


def toy_dataset(seed: int = 0) -> Dataset:
    """Three splits of drawn faces, the same at each call with the same seed."""
    generator = np.random.default_rng(seed)
    return Dataset({s: FaceSet(*toy_faces(n, LABELS, SIDE, generator)) for s, n in TOY_COUNTS.items()}, "toy")


def _with_public_test(path: Path, splits: dict[str, FaceSet]) -> dict[str, FaceSet]:
    """The splits; where there are training faces only, with a tenth of them as PublicTest."""
    if set(splits) != {"training"}:
        return splits
    training, public = shared_out(splits["training"], (9, 1))
    if not len(public):
        return splits
    print(
        f"trainer: {path.name} has training faces only; {len(public):,} of them, a tenth of each emotion, "
        "are PublicTest.",
        file=sys.stderr,
    )
    return {"training": training, "public_test": public}


def _check_classes(dataset: Dataset) -> None:
    if "training" not in dataset.splits:
        return
    names, labels = dataset["training"].names, dataset["training"].labels
    empty = [names[i] for i in np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)]
    if empty:
        raise DataError(
            f"{dataset.source}: no training face is labelled {' or '.join(empty)}; every class needs at least one."
        )


def _read_sheets(path: Path) -> dict[str, FaceSet]:
    """Contact sheets: labels.csv has usage, emotion, sheet, tile and FER+ votes of each face."""
    sheets: dict[str, NDArray[np.uint8]] = {}
    images: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    votes: dict[str, list[list[int]]] = {}
    columns = [f"votes_{name}" for name in VOTES]
    for where, row in rows(path / "labels.csv", {"usage", "emotion", "sheet", "tile"}):
        split, name = usage_split(row["usage"], where), row["sheet"]
        if name not in sheets:
            sheets[name] = read_grey(path / Path(name).name)
        labels.setdefault(split, []).append(emotion_code(row["emotion"], where))
        images.setdefault(split, []).append(_tile(sheets[name], row["tile"], where))
        if all(row.get(c) for c in columns):
            votes.setdefault(split, []).append([int(row[c]) for c in columns])
    if not images:
        raise DataError(f"{path / 'labels.csv'}: there is no face in this file.")
    return {
        s: FaceSet(np.stack(images[s]), np.array(labels[s], np.int64), _votes(votes, s, len(labels[s]))) for s in images
    }


def _tile(sheet: NDArray[np.uint8], tile: str, where: str) -> NDArray[np.uint8]:
    if not tile.isdecimal():
        raise DataError(f"{where}: the tile is {tile!r}, but must be a whole number.")
    y, x = (SIDE * k for k in divmod(int(tile), SHEET_COLUMNS))
    face = sheet[y : y + SIDE, x : x + SIDE]
    if face.shape != (SIDE, SIDE):
        raise DataError(f"{where}: tile {tile} lies outside its sheet; the sheet may be truncated.")
    return face


def _votes(votes: dict[str, list[list[int]]], split: str, count: int) -> NDArray[np.uint8] | None:
    rows = votes.get(split, [])
    return np.array(rows, np.uint8) if len(rows) == count else None
