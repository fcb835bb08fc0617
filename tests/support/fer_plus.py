"""Toy faces as fer2013.csv with FER+'s votes beside it."""

from __future__ import annotations

from pathlib import Path

from trainer.data.dataset import Dataset
from trainer.data.ferplus import COLUMNS, NAMES, VOTE_NAMES

USAGE = {"training": "Training", "public_test": "PublicTest", "private_test": "PrivateTest"}


def write_fer_plus(folder: Path, faces: Dataset) -> Path:
    """Write both files; every other happy face is contempt, all else is as the labels say.

    Returns:
        fer2013.csv.
    """
    rows, votes, happy = ["emotion,pixels,Usage"], [",".join(("Usage", "Image name", *COLUMNS))], 0
    for split, part in faces.splits.items():
        for image, label in zip(part.images, part.labels, strict=True):
            rows.append(f"{label},{' '.join(map(str, image.ravel()))},{USAGE[split]}")
            name = VOTE_NAMES[NAMES[label]]
            if name == "happiness":
                happy += 1
                name = "contempt" if happy % 2 else name
            counts = dict.fromkeys(COLUMNS, 0) | {name: 8, "unknown": 2}
            votes.append(",".join((USAGE[split], "", *map(str, counts.values()))))
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    path = folder / "fer2013.csv"
    path.write_text("\n".join(rows) + "\n")
    return path
