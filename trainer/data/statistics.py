"""Statistics of a data set: counts, duplicates, blanks, conflicting labels."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import VOTES, Dataset, FaceSet, duplicate_mask

BLANK = 2.0  # grey levels of standard deviation below which an image is blank


def describe(dataset: Dataset) -> dict[str, Any]:
    """Counts and defects of a data set.

    Returns:
        source, digest, splits {name: {n, classes {label: count}, duplicates (repeated faces within
        the split), blanks, votes (faces with FER+ votes), not_a_face (by most votes)}}, shared
        {"a in b": faces of split a whose exact pixels are in b}, conflicts {groups, faces}:
        identical images with different labels.
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
    counts = np.bincount(faces.labels, minlength=len(faces.names))
    found: dict[str, Any] = {
        "n": len(faces),
        "classes": {label: int(count) for label, count in zip(faces.names, counts, strict=True)},
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
    """Which images (N, S, S) are blank: bool (N,)."""
    return np.asarray(images.reshape(len(images), -1).std(1) < BLANK)


def conflicts(dataset: Dataset) -> dict[str, int]:
    """Groups of identical images with more than one label, and their faces; over all splits."""
    labels = defaultdict(list)
    for faces in dataset.splits.values():
        for image, label in zip(faces.images, faces.labels, strict=True):
            labels[image.tobytes()].append(int(label))
    groups = [group for group in labels.values() if len(set(group)) > 1]
    return {"groups": len(groups), "faces": sum(map(len, groups))}
