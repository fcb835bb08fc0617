"""FER2013 as a tree of image folders."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.csv_file import USAGES
from trainer.data.dataset import LABELS, SIDE, FaceSet
from trainer.data.pictures import PICTURES, read_grey, resized
from trainer.errors import DataError

CLASS_NAMES = {name: label for label, name in enumerate(LABELS)} | {
    other: LABELS.index(label)
    for other, label in {
        "anger": "angry",
        "disgusted": "disgust",
        "fearful": "fear",
        "happiness": "happy",
        "sadness": "sad",
        "surprised": "surprise",
    }.items()
}
VALIDATION = ("validation", "val", "valid")


def read_folders(path: Path) -> dict[str, FaceSet]:
    """train/<emotion>/*.png, test/<emotion>/*.png and perhaps validation/<emotion>/*.png.

    Emotions may have the names of other data sets (`CLASS_NAMES`), in any case. With a validation
    folder, that is public_test, on which models may be selected, and test is private_test. Without
    one, a test face counts by its prefix PublicTest_ or PrivateTest_, and else as public_test.
    Pictures of another size are cut to the middle square and resized. Hidden and foreign files are
    skipped. The number of each is printed to stderr.

    Raises:
        DataError: there is no face, or a picture or its folder cannot be used.
    """
    images: dict[str, list[NDArray[np.uint8]]] = {}
    labels: dict[str, list[int]] = {}
    validation = _validation_folder(path)
    skipped = others = 0
    for folder in ("train", *([validation] if validation else []), "test"):
        files = [f for f in (path / folder).glob("*/*") if not f.is_dir()]
        files += [f for f in (path / folder).glob("*") if not f.is_dir()]
        chosen = sorted(f for f in files if _is_picture(f, path / folder))
        skipped += len(files) - len(chosen)
        for file in chosen:
            split = _split(folder, file.name, validation)
            image = read_grey(file)
            others += image.shape != (SIDE, SIDE)
            images.setdefault(split, []).append(resized(image, SIDE))
            labels.setdefault(split, []).append(_label(file.parent))
    if not images:
        raise DataError(f"{path}: there is no face in train/<emotion>/ or test/<emotion>/.")
    _print_notes(path, validation, skipped, others)
    return {s: FaceSet(np.stack(images[s]), np.array(labels[s], np.int64)) for s in images}


def _validation_folder(path: Path) -> str | None:
    found = [name for name in VALIDATION if (path / name).is_dir()]
    if len(found) > 1:
        raise DataError(f"{path}: {' and '.join(found)} are all validation folders; leave one.")
    return found[0] if found else None


def _is_picture(file: Path, folder: Path) -> bool:
    """Whether a file is a picture in a class folder, and neither of them is hidden."""
    inner = file.relative_to(folder).parts
    if file.exists() and not file.is_file():  # a pipe, for example
        return False
    return len(inner) == 2 and file.suffix.lower() in PICTURES and not any(p.startswith(".") for p in inner)


def _split(folder: str, name: str, validation: str | None) -> str:
    if folder == "train":
        return "training"
    if folder == validation:
        return "public_test"
    return "private_test" if validation else USAGES.get(name.split("_")[0], "public_test")


def _label(folder: Path) -> int:
    if folder.name.lower() not in CLASS_NAMES:
        raise DataError(f"{folder}: the folder is not one of the emotions {', '.join(CLASS_NAMES)}.")
    return CLASS_NAMES[folder.name.lower()]


def _print_notes(path: Path, validation: str | None, skipped: int, others: int) -> None:
    shown = str(path).encode(errors="backslashreplace").decode()
    if validation:
        test = ", test/ as private_test" if (path / "test").is_dir() else ""
        print(f"trainer: {shown}: {validation}/ is read as public_test{test}.", file=sys.stderr)
    if others:
        print(f"trainer: {shown}: {others} pictures of another size are resized to {SIDE}x{SIDE}.", file=sys.stderr)
    if skipped:
        print(f"trainer: {shown}: {skipped} hidden or foreign files are skipped.", file=sys.stderr)
