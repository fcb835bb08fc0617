"""FER2013 as a csv file: one line a face."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import LABELS, SIDE, FaceSet
from trainer.errors import DataError

USAGES = {"Training": "training", "PublicTest": "public_test", "PrivateTest": "private_test"}
MANUAL = "see docs/training.md for the three forms that are read"


def emotion_code(text: str, where: str) -> int:
    """The label of a cell, an index into `LABELS`.

    Raises:
        DataError: it is none.
    """
    try:
        code = int(text)
    except ValueError:
        code = -1
    if not 0 <= code < len(LABELS):
        raise DataError(
            f"{where}: the emotion code is {text!r}, but must be a whole number from 0 to {len(LABELS) - 1}."
        )
    return code


def usage_split(text: str, where: str) -> str:
    """The split of a cell of the column Usage.

    Raises:
        DataError: it is not a key of `USAGES`.
    """
    if text.strip() not in USAGES:
        raise DataError(f"{where}: the usage is {text!r}, but must be one of {', '.join(USAGES)}.")
    return USAGES[text.strip()]


def rows(path: Path, wanted: set[str], optional: Collection[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a csv as (where, row).

    The file may begin with a byte order mark, as Excel writes it. Names are stripped, as
    icml_face_data.csv has spaces.

    Args:
        path: the csv file, UTF-8.
        wanted: columns that it must have.
        optional: columns that no line may lack if the file has them.

    Raises:
        DataError: the file cannot be read, a column is missing or a line is incomplete.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [n.strip() for n in reader.fieldnames or []]
            if not wanted <= set(names):
                missing = ", ".join(sorted(wanted - set(names)))
                raise DataError(f"{path}, line 1: the column {missing} is missing; {MANUAL}.")
            reader.fieldnames = names
            needed = wanted.union(set(optional).intersection(names))
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if any(row[k] is None for k in needed):
                    raise DataError(f"{where}: the line is incomplete; the file may be truncated, download it again.")
                yield where, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: the file cannot be read as csv: {error}.") from error


def _pixels(text: str, where: str) -> NDArray[np.uint8]:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: the pixels are not all whole numbers from 0 to 255.") from error
    if values.size != SIDE * SIDE:
        raise DataError(
            f"{where}: there are {values.size} pixels, but must be {SIDE * SIDE}; the file may be truncated."
        )
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{where}: a pixel lies outside 0 to 255.")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def read_csv(path: Path) -> dict[str, FaceSet]:
    """fer2013.csv (emotion,pixels,Usage), icml_face_data.csv (the same in another order).

    The faces of a file without Usage (train.csv of the competition) are all training faces.
    """
    images: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    for where, row in rows(path, {"emotion", "pixels"}, ("Usage",)):
        split = usage_split(row["Usage"], where) if "Usage" in row else "training"
        labels.setdefault(split, []).append(emotion_code(row["emotion"], where))
        images.setdefault(split, []).append(_pixels(row["pixels"], where))
    if not images:
        raise DataError(f"{path}: there is no face in this file.")
    return {s: FaceSet(np.stack(images[s]), np.array(labels[s], np.int64)) for s in images}
