"""Every form of FER2013 gives the same faces; every damaged one gives one sentence."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from trainer.data.dataset import LABELS, SIDE, VOTES, Dataset, FaceSet, duplicate_mask
from trainer.data.fer2013 import SHEET_COLUMNS, load_dataset, toy_dataset
from trainer.errors import DataError

USAGE = {"training": "Training", "public_test": "PublicTest", "private_test": "PrivateTest"}


def write_csv(path: Path, faces: Dataset, header: str = "emotion,pixels,Usage") -> Path:
    lines = [header]
    for split, part in faces.splits.items():
        for image, label in zip(part.images, part.labels, strict=True):
            cells = {"emotion": str(label), "pixels": " ".join(map(str, image.ravel())), "Usage": USAGE[split]}
            lines.append(",".join(cells[name.strip()] for name in header.split(",")))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_folders(path: Path, faces: Dataset) -> Path:
    for split, part in faces.splits.items():
        for index, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
            folder = path / ("train" if split == "training" else "test") / LABELS[label]
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{USAGE[split]}_{index:04}.png"), image)
    return path


def write_sheets(path: Path, faces: Dataset) -> Path:
    path.mkdir()
    lines = ["usage,row,emotion,sheet,tile,source," + ",".join(f"votes_{v}" for v in VOTES)]
    for split, part in faces.splits.items():
        sheet = np.zeros((SIDE, SIDE * SHEET_COLUMNS), np.uint8)
        for k, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
            sheet[:, k * SIDE : (k + 1) * SIDE] = image
            lines.append(f"{USAGE[split]},{k},{label},{split}.png,{k},png,{','.join('1' * len(VOTES))}")
        cv2.imwrite(str(path / f"{split}.png"), sheet)
    (path / "labels.csv").write_text("\n".join(lines) + "\n")
    return path


def same(a: FaceSet, b: FaceSet) -> bool:
    """The same faces with the same labels, in whatever order."""
    keys = [sorted((im.tobytes(), int(la)) for im, la in zip(s.images, s.labels, strict=True)) for s in (a, b)]
    return keys[0] == keys[1]


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, Usage, pixels"])
def test_csv_in_both_column_orders(tmp_path: Path, faces: Dataset, header: str) -> None:
    read = load_dataset(str(write_csv(tmp_path / "fer2013.csv", faces, header)))
    assert all(np.array_equal(read[s].images, faces[s].images) for s in faces.splits)
    assert all(np.array_equal(read[s].labels, faces[s].labels) for s in faces.splits)


def test_folders_tell_public_from_private_by_prefix(tmp_path: Path, faces: Dataset) -> None:
    read = load_dataset(str(write_folders(tmp_path, faces)))
    assert all(same(read[s], faces[s]) for s in faces.splits)


def test_sheets_carry_votes(tmp_path: Path, faces: Dataset) -> None:
    read = load_dataset(str(write_sheets(tmp_path / "sheets", faces)))
    assert all(np.array_equal(read[s].images, faces[s].images) for s in faces.splits)
    votes = read["training"].votes
    assert votes is not None and votes.shape == (14, len(VOTES)) and votes.dtype == np.uint8


def test_digest_follows_pixels_and_labels(faces: Dataset) -> None:
    relabelled = FaceSet(faces["training"].images, faces["training"].labels[::-1].copy())
    assert Dataset(faces.splits | {"training": relabelled}, "").digest != faces.digest
    assert Dataset(dict(faces.splits), "elsewhere").digest == faces.digest


def test_duplicates_are_found_by_pixels(faces: Dataset) -> None:
    public = faces["public_test"]
    mixed = FaceSet(np.concatenate([public.images[:3], faces["training"].images]), np.zeros(17, np.int64))
    assert duplicate_mask(public, mixed).tolist() == [True] * 3 + [False] * 11


def test_toy_is_the_same_each_time_and_balanced() -> None:
    a, b = toy_dataset(), toy_dataset()
    assert a.digest == b.digest
    assert len(set(np.bincount(a["training"].labels))) == 1


def damaged(lines: list[str], kind: str) -> list[str]:
    """The csv's lines with one kind of damage."""
    first = lines[1].split(",")
    return {
        "column": ["feeling,pixels,Usage", *lines[1:]],
        "truncated": [*lines[:-1], lines[-1][:40]],
        "pixels": [lines[0], f"{first[0]},1 2 3,{first[2]}", *lines[2:]],
        "words": [lines[0], f"{first[0]},a b c,{first[2]}", *lines[2:]],
        "range": [lines[0], f"{first[0]},{' '.join(['300'] * 2304)},{first[2]}", *lines[2:]],
        "code": [lines[0], f"7,{first[1]},{first[2]}", *lines[2:]],
        "usage": [lines[0], f"{first[0]},{first[1]},Elsewhere", *lines[2:]],
        "empty class": [lines[0], *[line for line in lines[1:] if not line.startswith("3,")]],
        "no rows": lines[:1],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("column", "column emotion is missing"),
        ("truncated", "line 43"),
        ("pixels", "3 pixels, but must be 2304"),
        ("words", "not all whole numbers"),
        ("range", "outside 0 to 255"),
        ("code", "emotion code is '7'"),
        ("usage", "usage is 'Elsewhere'"),
        ("empty class", "labelled happy"),
        ("no rows", "there is no face"),
    ],
)
def test_a_damaged_csv_is_reported(tmp_path: Path, faces: Dataset, kind: str, message: str) -> None:
    path = write_csv(tmp_path / "fer2013.csv", faces)
    path.write_text("\n".join(damaged(path.read_text().splitlines(), kind)) + "\n")
    with pytest.raises(DataError, match=message):
        load_dataset(str(path))


def test_missing_files_and_splits_are_reported(tmp_path: Path, faces: Dataset) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_dataset(str(tmp_path / "absent.csv"))
    with pytest.raises(DataError, match="neither"):
        load_dataset(str(tmp_path))
    with pytest.raises(DataError, match="no private_test split"):
        Dataset({"training": faces["training"]}, "here")["private_test"]


def test_a_truncated_sheet_is_reported(tmp_path: Path, faces: Dataset) -> None:
    path = write_sheets(tmp_path / "sheets", faces)
    cv2.imwrite(str(path / "training.png"), np.zeros((SIDE, SIDE * 2), np.uint8))
    with pytest.raises(DataError, match="outside its sheet"):
        load_dataset(str(path))
