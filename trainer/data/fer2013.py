"""FER2013 as csv, image folders or contact sheets; and toy faces.

In every form, a data set is three splits of grey 48x48 faces with one of seven labels, some with
FER+ votes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import LABELS, SIDE, SPLITS, VOTES, Dataset, FaceSet
from trainer.data.synthetic import toy_faces
from trainer.errors import DataError

USAGES = {"Training": "training", "PublicTest": "public_test", "PrivateTest": "private_test"}
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm")
SHEET_COLUMNS = 50
TOY_COUNTS = {"training": 1400, "public_test": 350, "private_test": 350}
MANUAL = "see docs/training.md for the three forms that are read"


def load_dataset(source: str | None) -> Dataset:
    """Load a data set in any of its forms.

    Args:
        source: path of a csv, of a folder of contact sheets (with labels.csv) or of an image-folder
            tree; or "toy".

    Raises:
        DataError: none is named, it is missing, truncated, or in none of these forms.
    """
    if source is None:
        raise DataError(
            "no data set is named; give --data with a fer2013.csv, an image-folder tree, contact sheets, or toy."
        )
    if source == "toy":
        return toy_dataset()
    path = Path(source)
    if path.is_file():
        splits = _read_csv(path)
    elif (path / "labels.csv").is_file():
        splits = _read_sheets(path)
    elif (path / "train").is_dir():
        splits = _read_folders(path)
    elif path.is_dir():
        raise DataError(f"{path}: neither labels.csv nor a folder train/ is in this folder; {MANUAL}.")
    else:
        raise DataError(f"{path}: there is no such file or folder; {MANUAL}.")
    _check_classes(splits, source)
    return Dataset({name: splits[name] for name in SPLITS if name in splits}, source)


def toy_dataset(seed: int = 0) -> Dataset:
    """Three splits of drawn faces, the same at each call with the same seed."""
    generator = np.random.default_rng(seed)
    return Dataset({s: FaceSet(*toy_faces(n, LABELS, SIDE, generator)) for s, n in TOY_COUNTS.items()}, "toy")


def _check_classes(splits: dict[str, FaceSet], source: str) -> None:
    if "training" not in splits:
        return
    counts = np.bincount(splits["training"].labels, minlength=len(LABELS))
    empty = [LABELS[i] for i in np.flatnonzero(counts == 0)]
    if empty:
        raise DataError(f"{source}: no training face is labelled {' or '.join(empty)}; every class needs at least one.")


def _code(text: str, where: str) -> int:
    try:
        code = int(text)
    except ValueError:
        code = -1
    if not 0 <= code < len(LABELS):
        raise DataError(
            f"{where}: the emotion code is {text!r}, but must be a whole number from 0 to {len(LABELS) - 1}."
        )
    return code


def _usage(text: str, where: str) -> str:
    if text.strip() not in USAGES:
        raise DataError(f"{where}: the usage is {text!r}, but must be one of {', '.join(USAGES)}.")
    return USAGES[text.strip()]


def _rows(path: Path, wanted: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a csv as (where, row); names are stripped, as icml_face_data.csv has spaces."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [n.strip() for n in reader.fieldnames or []]
            if not wanted <= set(names):
                missing = ", ".join(sorted(wanted - set(names)))
                raise DataError(f"{path}, line 1: the column {missing} is missing; {MANUAL}.")
            reader.fieldnames = names
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if any(row[k] is None for k in wanted):
                    raise DataError(f"{where}: the line is incomplete; the file may be truncated, download it again.")
                yield where, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: the file cannot be read as csv: {error}.") from error


def _pixels(text: str, where: str) -> NDArray[np.uint8]:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except ValueError as error:
        raise DataError(f"{where}: the pixels are not all whole numbers.") from error
    if values.size != SIDE * SIDE:
        raise DataError(
            f"{where}: there are {values.size} pixels, but must be {SIDE * SIDE}; the file may be truncated."
        )
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{where}: a pixel lies outside 0 to 255.")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _read_csv(path: Path) -> dict[str, FaceSet]:
    """fer2013.csv (emotion,pixels,Usage) or icml_face_data.csv (emotion, Usage, pixels)."""
    images: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    for where, row in _rows(path, {"emotion", "pixels", "Usage"}):
        split = _usage(row["Usage"], where)
        labels.setdefault(split, []).append(_code(row["emotion"], where))
        images.setdefault(split, []).append(_pixels(row["pixels"], where))
    if not images:
        raise DataError(f"{path}: there is no face in this file.")
    return {s: FaceSet(np.stack(images[s]), np.array(labels[s], np.int64)) for s in images}


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read an image file in grey, uint8 (H, W).

    Raises:
        DataError: it cannot be read.
    """
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError(f"{path}: the image cannot be read; it may be truncated.")
    return np.asarray(image, dtype=np.uint8)


def _read_folders(path: Path) -> dict[str, FaceSet]:
    """train/<emotion>/*.png and test/<emotion>/*.png; a prefix PublicTest_ or PrivateTest_ counts.

    A test face without a prefix counts as public_test, the split on which models may be selected.
    """
    images: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    for folder, default in (("train", "training"), ("test", "public_test")):
        for file in sorted(f for f in (path / folder).glob("*/*") if f.suffix.lower() in PICTURES):
            if file.parent.name not in LABELS:
                raise DataError(f"{file.parent}: the folder is not one of the emotions {', '.join(LABELS)}.")
            image = read_grey(file)
            if image.shape != (SIDE, SIDE):
                raise DataError(
                    f"{file}: the picture is {image.shape[1]}x{image.shape[0]} pixels, but must be {SIDE}x{SIDE}."
                )
            split = USAGES.get(file.name.split("_")[0], default) if folder == "test" else default
            images.setdefault(split, []).append(image)
            labels.setdefault(split, []).append(LABELS.index(file.parent.name))
    if not images:
        raise DataError(f"{path}: there is no face in train/<emotion>/ or test/<emotion>/.")
    return {s: FaceSet(np.stack(images[s]), np.array(labels[s], np.int64)) for s in images}


def _read_sheets(path: Path) -> dict[str, FaceSet]:
    """Contact sheets: labels.csv has usage, emotion, sheet, tile and FER+ votes of each face."""
    sheets: dict[str, NDArray[np.uint8]] = {}
    images: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    votes: dict[str, list[list[int]]] = {}
    columns = [f"votes_{name}" for name in VOTES]
    for where, row in _rows(path / "labels.csv", {"usage", "emotion", "sheet", "tile"}):
        split, name = _usage(row["usage"], where), row["sheet"]
        if name not in sheets:
            sheets[name] = read_grey(path / Path(name).name)
        labels.setdefault(split, []).append(_code(row["emotion"], where))
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
