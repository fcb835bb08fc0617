"""FER2013 as a tree of image folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.csv_file import USAGES
from trainer.data.dataset import LABELS, SIDE, FaceSet
from trainer.data.pictures import PICTURES, read_grey
from trainer.errors import DataError


def read_folders(path: Path) -> dict[str, FaceSet]:
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
